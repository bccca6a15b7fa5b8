"""Tables of localization and of ResNets dilated afterwards: read against the stored results, not against themselves."""

import json
from functools import cache

import numpy as np
import pytest

from book.numbers.tables import classification, localization
from book.studies import files, intervals, results


def rows(table: str) -> dict[str, list[str]]:
    """By the first column of a Markdown table, the other cells."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {first: cells for first, *cells in lines if first != "---"}


@cache
def table(name: str) -> str:
    return ({**localization.TABLES, **classification.TABLES})[name]()


@pytest.mark.parametrize("name", [*localization.TABLES, *classification.TABLES])
def test_every_table_is_filled(name):
    found = table(name)
    assert found.startswith("| ") and len({line.count(" | ") for line in found.splitlines()[2:]}) == 1
    assert "nan" not in found


def test_a_network_is_read_against_the_whole_image_on_the_same_images():
    cells = rows(table("against-blind"))["DRN-A-18"]
    keys = (f"localization.{setting}.gt_known_50" for setting in ("native", "trivial.whole_image"))
    ours, whole = (results.metric("classification", "drn_a_18", key).mean for key in keys)
    assert float(cells[1].split(" [")[0].replace("−", "-")) == pytest.approx(ours - whole, abs=0.051)


def test_enlarged_canvases_are_read_against_the_same_half_of_the_answers():
    """`every second canvas`: the box is scored on those, not on all 3,000."""
    blind = np.load(files.results_dir() / "ceilings.npz")["clutter.fixed_box.gt_known_50"]
    wrong = results.wrong("classification", "resnet_18_large", "clutter.gt_known_50")
    assert wrong.shape[1] == 1500 and blind[::2].mean() != blind.mean()
    found = localization._less_than_blind(wrong, blind.astype(float))
    assert found.estimate == pytest.approx(100 * (wrong.mean() - blind[::2].mean()))
    assert found.low < found.estimate < found.high and found.n == len(wrong)


def test_blind_answers_image_by_image_agree_with_their_errors():
    stored = json.loads((files.results_dir() / "ceilings.json").read_text())
    with np.load(files.results_dir() / "ceilings.npz") as arrays:
        for name in ("whole_image", "fixed_box"):
            for setting, step in (("native", 1), ("px128", 3), ("px224", 10)):
                error = 100 * arrays[f"{name}.gt_known_50"][::step].mean()
                assert error == pytest.approx(stored["blind"][name][f"{setting}.test"], abs=1e-3)
        for key, error in stored["clutter_fixed_boxes"].items():
            assert 100 * arrays[f"clutter.fixed_box.{key}"].mean() == pytest.approx(error, abs=1e-3)


def test_a_dilated_resnet_is_compared_with_itself_seed_by_seed():
    keys = "posthoc.exact.test.top1", "final.test.top1"
    after, before = (results.metric("classification", "resnet_18_large", key).values for key in keys)
    start = "| ResNet-18, larger images | *exact*"
    line = next(line for line in table("dilated-afterwards").splitlines() if line.startswith(start))
    assert f"| +{np.subtract(after, before).mean():.1f} [" in line


def test_the_papers_direction_is_what_a_step_is_judged_by():
    cells = rows(table("localization-steps"))["top-5, DRN-B-26 − DRN-A-18"]
    assert cells[0] == "+1.1"  # in the paper B is worse than A here
    found = results.difference("classification", "drn_b_26", "drn_a_18", "localization.native.top5_localization")
    assert cells[-1] == intervals.verdict(found, "greater")
