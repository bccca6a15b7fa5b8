"""What became of a finding when it was repeated on classes that no choice had seen. No torch."""

from __future__ import annotations

from book.studies.evidence import planned

STUDY, REPEATED = "heldout", "classification"
"""The study that repeats comparisons of another one."""
ONCE = "reduced, once"
SCALES = ("reduced, replicated", "reduced, contradicted when repeated", "reduced, not resolved when repeated", ONCE)
"""How strong the evidence of small trainings is."""


def scale(study: str, left: str, right: str, outcome: str) -> str:
    """One of `SCALES`, for the difference left - right of a study in one outcome."""
    if study != REPEATED:
        return ONCE
    sides = (left, right, outcome)
    for row in planned.rows(STUDY):
        if row.contrast.beside is None and (row.contrast.left, row.contrast.right, row.contrast.outcome) == sides:
            verdict = row.verdict.partition(" (")[0]
            return {"not measured": ONCE, "not resolved": SCALES[2]}.get(
                verdict, SCALES[0 if verdict == "as predicted" else 1]
            )
    return ONCE
