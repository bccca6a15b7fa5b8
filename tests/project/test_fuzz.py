"""Garbled files at every reader: a few rounds here, 300 each week (`python -m tests.checks.fuzz`)."""

from __future__ import annotations

import pytest

from tests.checks.fuzz import READERS, fuzz


@pytest.mark.parametrize("reader", READERS)
def test_a_garbled_file_is_read_or_refused_in_a_sentence(reader, tmp_path):
    counts, escaped = fuzz(reader, 8, 0, tmp_path)
    assert escaped == [] and counts["refused"] > 0
