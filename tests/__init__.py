"""The tests: `library` mirrors drn_lib, `book` its studies and pages; `checks` are programs of their own."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
