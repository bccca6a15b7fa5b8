"""The book: its studies, figures, exercises, numbers, explorers, live page and Sphinx extensions."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: `data/`, `notebooks/` and the prose pages lie below it."""
