"""The tables of the segmentation study: filled from its runs, and honest where there are none."""

import json

import numpy as np
import pytest

from book.numbers.tables import common, segmentation
from book.studies import files, results
from drn_lib.evaluation.confusion import miou
from tests.book.studies.test_segmentation import stored_run


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Two networks with three seeds each on made-up drives."""
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    monkeypatch.setattr(segmentation, "STUDY", "trial")
    for name, share in (("drn_c_26", 0.8), ("drn_a_18", 0.7)):
        for seed in range(3):
            stored_run(tmp_path, name, seed, share)
            file = tmp_path / "trial" / f"{name}-s{seed}.json"
            stored = json.loads(file.read_text())
            stored["dataset"]["sequences"] = {"0001TP": 30, "Seq05VD": 10}
            stored["metrics"]["prior.test.miou_present"] = 17.0
            counts = np.load(file.with_suffix(".npz"))["confusion"]
            for drive, frames in (("0001tp", counts[:30]), ("seq05vd", counts[30:])):
                stored["metrics"][f"prior.test.sequence.{drive}.miou_present"] = 16.0
                stored["metrics"][f"final.test.sequence.{drive}.miou_present"] = miou(frames.sum(axis=0))
            file.write_text(json.dumps(stored))
    return tmp_path


def test_drives_stand_beside_the_prior(study):
    lines = segmentation.by_drive().splitlines()
    assert lines[0] == "| mean IoU, % | seeds | all, 40 frames | 0001TP, 30 frames | Seq05VD, 10 frames |"
    assert lines[2] == "| position prior | – | 17.0 | 16.0 | 16.0 |"
    first = results.metric("trial", "drn_a_18", "final.test.sequence.0001tp.miou_present")
    assert lines[3].startswith("| DRN-A-18 | 3 | ") and f"| {first.mean:.1f} [" in lines[3]


def test_classes_stand_beside_table_3_and_say_whether_they_agree(study):
    rows = {line.split(" | ")[0].strip("| "): line for line in segmentation.by_class().splitlines()}
    pole = rows["pole"].split(" | ")
    assert pole[1:5] == ["59.0", "56.9", "59.2", "−2.1"]
    assert pole[5].startswith("+") and pole[7].strip(" |") == "no"  # ours gains on poles, theirs lost
    assert rows["road"].endswith("| yes |") and "does not occur" in rows["bus"]
    assert rows["**mean**"].split(" | ")[1] == "67.3"


def test_a_difference_on_one_drive_counts_its_frames_alone(study):
    key = "final.test.sequence.seq05vd.miou_present"
    found = results.difference("trial", "drn_c_26", "drn_a_18", key)
    means = []
    for name in ("drn_c_26", "drn_a_18"):
        counts = results.per_image("trial", name, "confusion")[:, 30:]  # the frames of Seq05VD
        means.append(np.mean([miou(one.sum(axis=0)) for one in counts]))
    assert found.estimate == pytest.approx(means[0] - means[1], abs=1e-6) and found.low < found.estimate < found.high
    everywhere = results.difference("trial", "drn_c_26", "drn_a_18", "final.test.miou_present")
    assert abs(found.estimate - everywhere.estimate) > 1e-3


def test_two_seeds_settle_no_direction(study):
    (study / "trial" / "drn_a_18-s2.json").unlink()
    pole = next(line for line in segmentation.by_class().splitlines() if line.startswith("| pole"))
    assert pole.endswith("| not resolved |")


def test_without_runs_the_tables_say_so(monkeypatch):
    monkeypatch.setattr(segmentation, "STUDY", "never_run")
    assert all("not yet measured" in table() for table in (segmentation.by_drive, segmentation.by_class))


def test_a_p_value_is_never_printed_as_zero():
    assert [common.p_text(p) for p in (0.0, 0.0099, 0.0101, 0.036, 1.0)] == ["< 0.01", "< 0.01", "0.01", "0.04", "1.00"]
    assert [common.p_text(p) for p in (0.04972, 0.05, 0.0549)] == ["< 0.05", "0.05", "0.05"]  # it decides at 0.05
    assert common.p_text(float("nan")) == "–"


def test_windows_take_less_memory_than_the_whole_image():
    peaks = json.loads((files.results_dir() / "memory.json").read_text())["peak_mb"]
    assert peaks["whole"] > peaks["window_1024"] > peaks["window_512"] > peaks["nothing"] > 0
    table = segmentation.memory()
    assert f"| whole | {peaks['whole']:,.0f} | {peaks['whole'] - peaks['nothing']:,.0f} |" in table
    assert table.count("by windows of") == 2
