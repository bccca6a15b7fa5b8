"""What tests of runs, workers and commands share: a study of some seconds, and two runs of it that are done."""

import shutil

import pytest

from book.studies import runs
from tests.book.studies.trial import PLAN, redirect


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Results, weights and working folders under tmp_path; random images for data. Gives the parts as they open."""
    return redirect(monkeypatch, tmp_path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with the finished runs drn_a_18-s0 and resnet_18-s0, trained once."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as monkeypatch:
        redirect(monkeypatch, folder)
        for network in ("drn_a_18", "resnet_18"):
            runs.run_one(PLAN, network, 0)
    return folder


@pytest.fixture
def done(elsewhere, trained, tmp_path):
    """As `elsewhere`, with a copy of the finished runs; gives their JSON files by network."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return {network: PLAN.result_file(f"{network}-s0") for network in ("drn_a_18", "resnet_18")}


@pytest.fixture
def begun(elsewhere):
    """The working folder of the run resnet_18-s0, which is empty."""
    folder = PLAN.work_folder("resnet_18-s0")
    folder.mkdir(parents=True)
    return folder
