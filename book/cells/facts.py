"""Measured numbers as a chapter prints them: as facts that another processor repeats.

The last digits of what passes through float32 convolutions differ from one processor to the next. So a chapter
prints the rounded number that its text speaks of, and whether what was computed here lies near it.
"""


def fact(name: str, value: float, about: float, tolerance: float) -> None:
    """Print `name`, the number `about` that the text speaks of, and whether `value` lies within `tolerance` of it."""
    print(f"{name}: {about} (within {tolerance}: {abs(value - about) <= tolerance})")
