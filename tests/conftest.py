"""What all tests share: silent progress bars, and which tests `make check` leaves to `make test`."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("DRN_PROGRESS", "0")

SLOW = Path(__file__).with_name("slow.txt")
"""Tests that took more than a moment, one a line; `python tests/run_all.py --record` writes it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = set(SLOW.read_text(encoding="utf-8").split())
    for item in items:
        if item.nodeid.partition("[")[0] in slow:
            item.add_marker("slow")
