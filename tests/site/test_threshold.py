"""The explorer of the threshold: what it stores against the library and the study, its boxes, and how it behaves."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from book.cells.localization import stored_curves
from book.explorers.threshold import data as threshold_data
from book.studies import localization as localization_runs
from book.studies import results
from drn_lib import localization
from drn_lib.checkpoints.weights import load_trained
from drn_lib.images import normalize
from drn_lib.localization import scores
from tests.site.browser import PATIENCE
from tests.site.explorers import DATA, words

KNOWN = DATA["threshold"]


def test_a_map_that_differs_by_rounding_alone_stays_as_it_is():
    """Another processor may put a cell on the other side of a threshold; another winner is another map."""
    own = KNOWN["pictures"]["canvas"]["maps"]["drn_c_26"]
    exceeded, wins = threshold_data.decoded(own["scores"])
    assert threshold_data.encoded(exceeded, wins) == own["scores"]

    def kept(exceeded=exceeded, wins=wins, **more) -> bool:
        other = own | {"scores": threshold_data.encoded(exceeded, wins)} | more
        made = {"pictures": {"canvas": {"maps": {"drn_c_26": other}}}}
        stored = {"pictures": {"canvas": {"maps": {"drn_c_26": own}}}}
        return threshold_data.settled(made, stored)["pictures"]["canvas"]["maps"]["drn_c_26"] is own

    one = np.arange(256) == 100
    assert kept(exceeded + one) and kept(deviation=own["deviation"] + 0.01)
    assert not kept(exceeded + 2 * one) and not kept(wins=wins ^ one) and not kept(deviation=own["deviation"] + 0.02)


def test_no_winner_hangs_on_rounding():
    """The stored maps are compared cell by cell, so no class may win or lose by a hair."""
    for picture in threshold_data.pictures().values():
        for name in threshold_data.NETWORKS:
            network = load_trained(threshold_data.WEIGHTS.format(name))
            with torch.inference_mode():
                score_map = network.score_map(normalize(picture.image[None]))[0]  # (C, h, w)
            index = network.classes.index(threshold_data.CLASS)
            others = torch.cat([score_map[:index], score_map[index + 1 :]]).amax(dim=0)
            assert (score_map[index] - others).abs().min() > 1e-3, name


def test_the_curves_are_the_study_s():
    for setting, known in KNOWN["settings"].items():
        measured = [name for name in threshold_data.NETWORKS if results.runs("classification", name)]
        assert list(known["curves"]) == measured
        for name, curve in known["curves"].items():
            stored = stored_curves("classification", name, setting)
            assert np.abs(np.cumsum(curve["error"]) / 10 - stored[:, :, 2].mean(axis=0)).max() <= 0.05 + 1e-6
            for seed, (run, index) in enumerate(zip(results.runs("classification", name), curve["tune"], strict=True)):
                # What the run recorded for the threshold that it chose.
                assert run.metrics[f"{setting}.threshold_u"] == pytest.approx(localization_runs.U[index].item())
                assert run.metrics[f"{setting}.gt_known_50"] == pytest.approx(stored[seed, index, 2], abs=1e-4)


@pytest.mark.slow
def test_boxes_and_overlaps_are_the_library_s(modules):
    """The three equations on random maps with ties, thresholds out of reach among them; and IoU with a random box."""
    random, cases = np.random.default_rng(9), []
    for _ in range(300):
        rows, columns, jump = (int(random.integers(1, top)) for top in (9, 9, 33))
        score_map = torch.from_numpy(random.integers(-3, 4, (1, 3, rows, columns))).float()
        own, wins = localization.class_evidence(score_map, torch.tensor([int(random.integers(3))]))
        sides = [int(cells * jump - random.integers(0, jump)) for cells in (rows, columns)]  # the last may be cut
        low, high = random.integers(0, 20, 2), random.integers(1, 60, 2)
        cases.append(
            {
                "own": own.flatten().tolist(),
                "wins": wins.flatten().tolist(),
                "shape": [rows, columns],
                "t": int(random.integers(-4, 4)),
                "jump": jump,
                "sides": sides,
                "place": [*low.tolist(), *(low + high).tolist()],
            }
        )
    found = modules(
        """return argument.map(({ own, wins, shape, t, jump, sides, place }) => {
          const box = boxes.tightBox(boxes.qualifying(own, wins, t), shape[1], jump, sides[1], sides[0]);
          return [box, boxes.iou(box, place)];
        });""",
        cases,
    )
    for case, (box, overlap) in zip(cases, found):
        own, wins = (torch.tensor(case[key]).view(1, *case["shape"]) for key in ("own", "wins"))
        wanted = localization.tight_boxes(own.float(), wins, case["t"], tuple(case["sides"]), jump=case["jump"])
        assert (box is None) == bool(wanted.isnan().any()), case
        assert box is None or box == wanted[0].tolist(), case
        assert overlap == pytest.approx(scores.iou(wanted, torch.tensor([case["place"]]).float()).item()), case
    assert {box is None for box, _ in found} == {True, False} and any(0 < overlap < 1 for _, overlap in found)


@pytest.mark.slow
def test_stored_maps_give_the_library_s_boxes(modules):
    """Every network, picture and threshold: the box that the page makes of a stored map is the network's own."""
    found = modules(
        """return Object.values(argument.pictures).map(({ size, maps }) => Object.values(maps).map((map) => {
          const { scores, wins } = threshold.decode(map, argument.thresholds[2]);
          const box = (index) => {
            const counts = boxes.qualifying(scores, wins, index);
            return boxes.tightBox(counts, map.cells, size / map.cells, size, size);
          };
          return Array.from({ length: argument.thresholds[2] }, (_, index) => box(index));
        }));""",
        KNOWN,
    )
    differ = 0
    for picture, networks in zip(threshold_data.pictures().values(), found, strict=True):
        size = picture.image.shape[1]
        for name, ours in zip(threshold_data.NETWORKS, networks, strict=True):
            network = load_trained(threshold_data.WEIGHTS.format(name))
            with torch.inference_mode():
                score_map = network.score_map(normalize(picture.image[None]))
            t = score_map.mean() + score_map.std(correction=0) * localization_runs.U
            index = torch.tensor([network.classes.index(KNOWN["class"])])
            for box, wanted in zip(ours, localization.boxes(score_map, index, t, size)[:, 0], strict=True):
                differ += box != (None if wanted.isnan().any() else wanted.tolist())
    assert differ <= 3, "of 328; one may lie on the other side of a rounded threshold"


@pytest.mark.slow
def test_the_page_shows_what_the_library_says(visit):
    """Along the slider: cells, box, overlap and the measured error; by the keyboard alone, told in one sentence."""
    seen, figure = visit("threshold-06")
    picture = KNOWN["pictures"]["canvas"]
    slider = figure.get_by_role("slider", name="Threshold")
    slider.focus()
    overlaps = set()
    for name, (label, _) in KNOWN["networks"].items():
        figure.get_by_label("Network").select_option(name)
        own = picture["maps"][name]
        exceeded, wins = (
            torch.from_numpy(part).view(1, own["cells"], own["cells"]) for part in threshold_data.decoded(own["scores"])
        )
        for index in (0, 17, 23, 40):
            slider.fill(str(index))
            box = localization.tight_boxes(exceeded.float(), wins, index, picture["size"])
            overlap = scores.iou(box, torch.tensor([picture["place"]]).float()).item()
            overlaps.add(overlap)
            (text,) = words(figure)
            first, step, _ = KNOWN["thresholds"]
            u = first + step * index
            assert u == pytest.approx(localization_runs.U[index].item())
            t = own["mean"] + own["deviation"] * u
            assert text.startswith(f"{label}, threshold {u:.2f} deviations".replace(" -", " −")), text
            assert f"t = {t:.1f}:".replace("-", "−") in text
            assert f" {int((wins & (exceeded > index)).sum())} of {own['cells'] ** 2} cells" in text
            if box.isnan().any():
                assert "no box" in text and figure.locator(".found").count() == 0
                continue
            x0, y0, x1, y1 = map(int, box[0].tolist())
            assert f"{x1 - x0} × {y1 - y0} px, from ({x0}, {y0}) to ({x1}, {y1})" in text
            assert f"place by {overlap:.2f}: {'right' if overlap > 0.5 else 'wrong'}" in text
            edges = figure.locator(".found").first.evaluate(
                "(r) => ['x', 'y', 'width', 'height'].map((name) => Number(r.getAttribute(name)))"
            )
            assert edges == [x0, y0, x1 - x0, y1 - y0]
            for other, curve in KNOWN["settings"]["clutter"]["curves"].items():
                assert f"{KNOWN['networks'][other][0]} {sum(curve['error'][: index + 1]) / 10:.1f} %" in text
    assert {overlap > 0.5 for overlap in overlaps} == {True, False}
    slider.focus()
    seen.page.keyboard.press("ArrowLeft")
    expect(figure.locator("[aria-live=polite]")).to_have_text(words(figure)[0], timeout=PATIENCE)
    assert slider.get_attribute("aria-valuetext").startswith("4.85 deviations, t = ")


@pytest.mark.slow
def test_three_buttons_and_what_the_chapter_says_of_them(visit):
    """DRN-A's box on the canvas is wrong low, high and at the study's threshold, and right a little above the last."""
    _, figure = visit("threshold-06")
    slider, found = figure.get_by_role("slider", name="Threshold"), []
    for label in ("low", "the study’s", "high"):
        figure.get_by_role("button", name=label).click()
        found.append(int(slider.input_value()))
        assert ": wrong at IoU 0.5" in words(figure)[0]
    assert found == [0, np.median(KNOWN["settings"]["clutter"]["curves"]["drn_a_18"]["tune"]), 30]
    right = []
    for index in range(41):
        slider.fill(str(index))
        right += [index] * (": right at IoU 0.5" in words(figure)[0])
    assert right[0] == found[1] + 1 and len(right) < 5 and right[-1] - right[0] == len(right) - 1
    figure.get_by_label("Network").select_option("resnet_18")
    figure.get_by_role("button", name="the study’s").click()
    assert slider.input_value() == str(int(np.median(KNOWN["settings"]["clutter"]["curves"]["resnet_18"]["tune"])))


@pytest.mark.slow
def test_the_plots_follow_and_can_be_dragged(visit):
    seen, figure = visit("threshold-06")
    plots, slider = figure.locator(".plots"), figure.get_by_role("slider", name="Threshold")
    plots.scroll_into_view_if_needed()
    box = plots.bounding_box()
    at = lambda share: box["x"] + box["width"] * (60 + 570 * share) / 640  # noqa: E731  the axis is 570 of 640 wide
    seen.page.mouse.move(at(0.1), box["y"] + 40)
    assert slider.input_value() == "20", "pointing alone moves nothing"
    seen.page.mouse.down()
    seen.page.mouse.move(at(0.25), box["y"] + 40)
    seen.page.mouse.up()
    assert slider.input_value() == "10"
    markers = plots.locator(".marker").evaluate_all("(all) => all.map((path) => path.getAttribute('d'))")
    assert len(markers) == 1 + bool(KNOWN["settings"]["clutter"]["curves"])
    assert all(re.match(r"M202\.5 ", path) for path in markers)  # 60 + 570 / 4
    curves = len(KNOWN["settings"]["clutter"]["curves"])
    assert plots.locator("path.curve").count() == 1 + curves and plots.locator(".now").count() == 1 + curves


@pytest.mark.slow
def test_a_picture_without_a_true_box_has_no_overlap(visit):
    _, figure = visit("threshold-06")
    figure.get_by_label("Picture").select_option("cup")
    (text,) = words(figure)
    assert "Nobody drew a true box" in text and "overlaps" not in text and "plain, 64 px" in text
    assert figure.locator(".true").count() == 0 and figure.locator(".found").count() == 2
    assert "overlap" not in figure.locator(".plots").text_content()
