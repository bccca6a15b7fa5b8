"""Tables of the classification study: its losses, and where its test images come from."""

import numpy as np
import pytest

from book.numbers.tables import classification, common
from book.studies import files, intervals, metrics, results, summaries
from drn_lib.datasets.splits import read_partition
from tests.book.numbers.test_localization_tables import rows, table

PARTS = (slice(0, 2), slice(2, 4), slice(4, 6))


def test_the_official_images_are_told_by_their_names_in_the_order_of_the_outcomes():
    partition, official = read_partition("tiny-imagenet-20"), classification.official()
    assert official.sum() == 1000 and len(official) == 3000
    labels = results.per_image("classification", "drn_a_18", "label")[0]
    assert labels.tolist() == [partition.classes.index(wnid) for wnid, _ in partition.part("test")]
    assert np.bincount(labels[official]).tolist() == [50] * 20


def test_each_part_of_the_test_images_is_compared_by_itself_with_one_verdict_everywhere():
    """The page says in words that the verdicts agree."""
    found = rows(table("classification-by-source"))
    header = found.pop("top-1 error, points")
    assert [cell.rpartition(", ")[2] for cell in header[::2]] == ["3,000", "1,000", "2,000"]
    official = classification.official()
    for left, right in classification.PRIMARY:
        cells = found[f"{common.display_name(left)} − {common.display_name(right)}"]
        assert len({tuple(cells[part])[1] for part in PARTS}) == 1
        sides = [results.wrong("classification", name, classification.TOP1) for name in (left, right)]
        for part, mask in zip(PARTS, (official | True, official, ~official), strict=True):
            means = [100 * side[:, mask].mean() for side in sides]
            shown, _, interval = cells[part][0].partition(" ")
            assert float(shown.replace("−", "-")) == pytest.approx(means[0] - means[1], abs=0.051)
            if mask.all():
                whole = results.difference("classification", left, right, classification.TOP1)
                assert interval == metrics.interval_text(whole)


def test_runs_of_other_test_images_are_not_cut_by_these_names(monkeypatch):
    monkeypatch.setattr(classification, "official", lambda: np.arange(2999) < 1000)
    with pytest.raises(files.ResultsError, match="2999 test images"):
        classification.by_source()


def test_losses_are_compared_on_images_and_in_training():
    """The page says in words which differences are clear."""
    found = rows(table("classification-losses"))
    del found["difference"]
    *primary, released = found.items()
    assert released[0] == "DRN-A-18, rule released − DRN-A-18" and released[1][0] == "3, 5"
    assert all(float(cells[2]) >= 0.05 for _, cells in primary) and released[1][2] == "< 0.01"
    sides = [summaries.values("classification", name, summaries.TRAINING_LOSS) for name in ("drn_c_26", "drn_b_26")]
    shown = found["DRN-C-26 − DRN-B-26"][-1].split(" [")[0]
    assert float(shown) == pytest.approx(sides[0].mean - sides[1].mean, abs=0.00051)
    ends = [cells[-1].split("[")[1].split(",") for _, cells in primary]
    assert all(low.strip().startswith("−") == high.strip().startswith("−") for low, high in ends)  # zero is in none


def test_a_network_of_ours_stands_below_those_that_the_paper_has():
    lines = table("localization-beside-top1").splitlines()
    assert lines[-1].startswith("| ResNet-18, larger images | – | ") and lines[0].endswith("over seeds |")
    errors = common.beside_table("classification", classification.TOP1, "table1_classification", "top1_err_1crop_pct")
    assert "over seeds and images" in errors.splitlines()[0] and "larger" not in errors
    ours = summaries.mean("classification", "drn_c_26", classification.TOP1)
    assert ours.method == intervals.BOOTSTRAP and metrics.interval_text(ours) in errors.splitlines()[-1]


def test_the_resnet_of_equal_cost_has_a_row_and_a_dash_where_it_was_not_measured():
    assert rows(table("localization-enlarged"))["ResNet-18, larger images"][2] == "–"
    cells = rows(table("localization-by-size"))["ResNet-18, larger images"]
    small = results.metric("classification", "resnet_18_large", "clutter.pointing_error_small").mean
    assert cells[4].startswith(f"{small:.1f} [")


def test_the_mean_blur_is_read_against_the_same_weights():
    cells = rows(table("blur-by-mean"))["DRN-B-26"]
    names, key = ("drn_b_26_mean", "drn_b_26"), "clutter.cam.gt_known_50"
    after, before = (results.metric("blur", name, key).mean for name in names)
    assert float(cells[-1].split(" [")[0].replace("−", "-")) == pytest.approx(after - before, abs=0.051)
