"""What the tests of the datasets share."""

import pytest


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No data and no weights but what a test makes, and no network."""
    monkeypatch.delenv("DRN_DATA", raising=False)
    monkeypatch.setenv("DRN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DRN_OFFLINE", "1")
