"""Tables of localization that no general key makes: what a network is read against, thresholds, ceilings, sizes."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np

from book.numbers.tables.common import beside_table, interval_cell
from book.numbers.text import NOT_MEASURED, sample
from book.studies import cache, files, intervals, metrics, paper, results, summaries
from book.studies.intervals import Interval
from book.studies.metrics import signed
from drn_lib.names import display_name

FOUR = ("resnet_18", "drn_a_18", "drn_b_26", "drn_c_26")
LARGE = "resnet_18_large"
"""The ResNet of DRN-A-18's multiply-adds that stands below the four in every table."""
OUTCOMES = ("pointing_error_off_middle", "gt_known_30", "gt_known_50", "cam.gt_known_30", "cam.gt_known_50")
PLAIN = ("gt_known_50", "top1_localization", "top5_localization")
DRAWS = 1000
"""Of the bootstrap where every network of a study is compared: enough for a tenth of a point."""
SIZES = ("small", "medium", "large")
"""Thirds of the test images, as `book.studies.localization` names them."""


def steps() -> str:
    """From ResNet-18 to A, B and C: the difference that Table 2 prints, ours beside it, and what ours says of it."""
    printed, lines = paper.paper_table("table2_localization"), []
    for k in (1, 5):
        key = f"localization.native.top{k}_localization"
        for left, right in zip(FOUR[1:], FOUR):
            rows = summaries.compare("classification", [(left, right)], key)
            if not rows:
                return f"*These networks of the study `classification` are {NOT_MEASURED}.*"
            theirs = [float(printed[display_name(name)][f"top{k}_loc_err_pct"]) for name in (left, right)]
            names = f"top-{k}, {display_name(left)} − {display_name(right)}"
            step = signed(theirs[0] - theirs[1], "+.1f")
            judged = rows[0].judged("less" if theirs[0] < theirs[1] else "greater")
            counts = dict.fromkeys(str(results.metric("classification", name, key).n) for name in (left, right))
            lines.append([names, step, interval_cell(rows[0].difference, ".1f", "+"), ", ".join(counts), judged])
    header = [
        "localization error, points",
        "the paper",
        "ours (reduced), 95 % over seeds",
        "seeds",
        "the paper's direction",
    ]
    return results.markdown_table(header, lines)


def reading_or_training(study: str) -> str:
    """How much ResNet-18 gains by being read densely, and how much more training on the dense map brings."""
    columns = {"resnet_18": "ResNet-18: dilated afterwards − as trained"}
    if study == "clutter":
        columns["resnet_18_dilated"] = f"{display_name('resnet_18_dilated')} − ResNet-18 dilated afterwards"
    columns["drn_a_18"] = "DRN-A-18 − ResNet-18 dilated afterwards"
    keys = {f"clutter.{name}": f"clutter.posthoc.{name}" for name in OUTCOMES}
    if study == "classification":
        keys |= {f"localization.native.{name}": f"localization.posthoc.native.{name}" for name in PLAIN}
    lines = []
    for trained, dilated in keys.items():
        steps = [
            results.difference(study, "resnet_18", "resnet_18", dilated, trained)
            if name == "resnet_18"
            else results.difference(study, name, "resnet_18", trained, dilated)
            for name in columns
        ]
        if None in steps:
            return f"*These networks of the study `{study}` are {NOT_MEASURED}.*"
        cells = [interval_cell(step, ".1f", "+") for step in steps]
        plain = "" if trained.startswith("clutter") else "plain: "
        lines.append([plain + metrics.label(trained), ", ".join(dict.fromkeys(str(step.n) for step in steps)), *cells])
    return results.markdown_table(["outcome", "seeds", *columns.values()], lines)


def reading_levels() -> str:
    """The three that the differences lie between: ResNet-18 as trained, dilated afterwards, and DRN-A-18."""
    outcomes = ("clutter.{}pointing_error_off_middle", "clutter.{}gt_known_50", "clutter.{}gt_known_30")
    outcomes += ("localization.{}native.top1_localization",)
    titles = {
        ("resnet_18", ""): "ResNet-18 as trained",
        ("resnet_18", "posthoc."): "ResNet-18, dilated afterwards",
        ("drn_a_18", ""): "DRN-A-18, trained dilated",
    }
    lines = []
    for (name, twin), title in titles.items():
        found = [sample("classification", name, outcome.format(twin)) for outcome in outcomes]
        if not all(one.n for one in found):
            return f"*These networks of the study `classification` are {NOT_MEASURED}.*"
        lines.append([title, str(found[0].n), *(interval_cell(intervals.student_t(one), ".1f") for one in found)])
    header = ["network", "seeds", *(metrics.label(outcome.format("")) for outcome in outcomes[:3])]
    return results.markdown_table([*header, "plain: " + metrics.label(outcomes[3].format(""))], lines)


def against_blind(study: str) -> str:
    """Each network's error minus that of an answer that looks at no image; negative where the network is better."""
    columns = {
        ("whole_image.gt_known_50", "localization.native.gt_known_50"): "plain, whole image",
        ("whole_image.gt_known_50", "localization.native.cam.gt_known_50"): "the same, CAM boxes",
        ("fixed_box.gt_known_50", "localization.native.gt_known_50"): "plain, fixed box",
        ("fixed_box.gt_known_50", "localization.native.cam.gt_known_50"): "the same, CAM boxes",
    }
    return _against(study, columns)


def against_blind_in_clutter(study: str) -> str:
    """The same on canvases, where one fixed box for each overlap is the best that looks at nothing."""
    columns = {}
    for level in ("50", "30"):
        fixed, ours = f"clutter.fixed_box.gt_known_{level}", f"clutter.{{}}gt_known_{level}"
        columns[fixed, ours.format("")] = f"IoU 0.{level[0]}"
        columns[fixed, ours.format("cam.")] = f"IoU 0.{level[0]}, CAM boxes"
    return _against(study, columns)


def _against(study: str, columns: dict[tuple[str, str], str]) -> str:
    names = results.variants(study)
    if not names:
        return f"*The study `{study}` is {NOT_MEASURED}.*"
    with np.load(files.results_dir() / "ceilings.npz", allow_pickle=False) as arrays:
        blind = {fixed: arrays[fixed].astype(float) for fixed, _ in columns}
    lines = []
    for name in names:
        cells = []
        for fixed, key in columns:
            found = _less_than_blind(results.wrong(study, name, key), blind[fixed])
            cells.append(interval_cell(found, ".1f", "+"))
        lines.append([display_name(name), str(found.n), *cells])
    return results.markdown_table(["network", "seeds", *columns.values()], lines)


def _less_than_blind(ours: np.ndarray, blind: np.ndarray) -> Interval:
    """The difference of a network's errors (seeds, images) to those of one answer on the same images (3,000,).

    Enlarged canvases are every second one (`LARGE_CLUTTER` of `book.studies.localization`).
    """
    step, rest = divmod(len(blind), ours.shape[1])
    if rest:
        raise files.ResultsError(f"{ours.shape[1]} canvases are not every n-th of {len(blind)}")
    found = cache.bootstrap_difference(ours, blind[::step][None], draws=DRAWS)
    found = replace(found, n=len(ours))
    return found if found.n > 1 else replace(found, low=float("nan"), high=float("nan"))


def thresholds(study: str) -> str:
    """The threshold that was chosen for each network and setting on the tune images, over the seeds."""
    settings = {
        "localization.native.threshold_u": "plain, $u$",
        "localization.px128.threshold_u": "at 128 px, $u$",
        "localization.px224.threshold_u": "at 224 px, $u$",
        "clutter.threshold_u": "in clutter, $u$",
        "localization.native.cam.threshold": "plain, CAM boxes, fraction",
        "clutter.cam.threshold": "in clutter, CAM boxes, fraction",
    }
    lines = []
    for name in results.variants(study):
        found = [results.metric(study, name, key) for key in settings]
        chosen = [sorted({round(value, 2) for value in one.values}) for one in found]
        cells = ["; ".join(signed(value, "g") for value in values) or "–" for values in chosen]
        lines.append([display_name(name), str(max(one.n for one in found)), *cells])
    if not lines:
        return f"*The study `{study}` is {NOT_MEASURED}.*"
    return results.markdown_table(["network", "seeds", *settings.values()], lines)


def ceilings() -> str:
    """What boxes of whole cells can reach at best on the true boxes of the 3,000 test images, by grid."""
    stored = _ceilings()
    places = {
        "2x2": "2 × 2, ResNet at 64 px",
        "7x7": "7 × 7, ResNet at 224 px",
        "8x8": "8 × 8, DRN at 64 px",
        "28x28": "28 × 28, DRN at 224 px",
    }
    canvases = {"4x4": "4 × 4, ResNet on a canvas", "16x16": "16 × 16, DRN on a canvas"}
    rows = [[title, stored["grids"][grid]] for grid, title in places.items()]
    rows += [[title, stored["canvas_grids"][grid]] for grid, title in canvases.items()]
    lines = [
        [title, f"{row['mean_iou']:.3f}", *(f"{row[f'gt_known_{k}']:.1f}" for k in (30, 50, 70))] for title, row in rows
    ]
    return results.markdown_table(["cells", "mean best IoU", *(f"no box above 0.{k}, %" for k in (3, 5, 7))], lines)


def by_size() -> str:
    """GT-known error at 0.5 and pointing error in clutter for thirds of the test images by the object's area."""
    stored = _ceilings()["blind"]
    blind = {"whole_image": "without looking: the whole image", "fixed_box": "without looking: one fixed box"}
    blind["2x2"] = "the best boxes of 2 × 2 cells"
    lines = [[title, "–", *(f"{stored[key][size]:.1f}" for size in SIZES), *"–––"] for key, title in blind.items()]
    for name in (*FOUR, LARGE):
        keys = [
            f"{key}_{size}" for key in ("localization.native.gt_known_50", "clutter.pointing_error") for size in SIZES
        ]
        found = [sample("classification", name, key) for key in keys]
        if not all(one.n for one in found):
            return f"*The study `classification` is {NOT_MEASURED}.*"
        cells = [interval_cell(intervals.student_t(one), ".1f") for one in found]
        lines.append([display_name(name), str(found[0].n), *cells])
    header = [f"{place}, {size}" for place in ("plain", "clutter") for size in SIZES]
    return results.markdown_table(["answer", "seeds", *header], lines)


def enlarged() -> str:
    """GT-known error at 0.5 on images enlarged before the pass, beside answers without a network on the same images."""
    stored, settings = _ceilings()["blind"], ("native", "px128", "px224")
    counts = [sample("classification", "resnet_18", f"localization.{setting}.n") for setting in settings]
    if not all(count.n for count in counts):
        return f"*The study `classification` is {NOT_MEASURED}.*"
    lines = []
    for key, title in (("whole_image", "the whole image"), ("fixed_box", "one fixed box")):
        lines.append(
            [f"without looking: {title}", "–", *(f"{stored[key][f'{setting}.test']:.1f}" for setting in settings)]
        )
    readings = [(name, "localization.{}.gt_known_50", display_name(name)) for name in (*FOUR, LARGE)]
    twin = ("resnet_18", "localization.posthoc.{}.gt_known_50", "ResNet-18, dilated afterwards")
    for name, key, title in [readings[0], twin, *readings[1:]]:
        found = [summaries.mean("classification", name, key.format(setting)) for setting in settings]
        cells = [interval_cell(one, ".1f") for one in found]
        lines.append([title, str(found[0].n), *cells])
    titles = ["64 px", "enlarged to 128 px", "enlarged to 224 px"]
    header = [f"{title}, {count.mean:,.0f} images" for title, count in zip(titles, counts)]
    return results.markdown_table(["answer", "seeds", *header], lines)


def clutter_controls() -> str:
    """What the networks trained on clutter are read against: ResNet-18 read densely, and answers without a network."""
    outcomes = ("pointing_error_off_middle", "gt_known_50", "gt_known_30", "top1_localization")
    found = [summaries.mean("clutter", "resnet_18", f"clutter.posthoc.{outcome}") for outcome in outcomes]
    cells = [interval_cell(one, ".1f") for one in found]
    stored = _ceilings()
    point, boxes = stored["clutter_off_middle"]["fixed_point"]["error"], stored["clutter_fixed_boxes"]
    blind = [f"{point:.1f}", f"{boxes['gt_known_50']:.1f}", f"{boxes['gt_known_30']:.1f}", "–"]
    lines = [
        ["ResNet-18, dilated afterwards", str(found[0].n), *cells],
        ["without looking: one point, one box for each overlap", "–", *blind],
    ]
    return results.markdown_table(["answer", "seeds", *(metrics.label(f"clutter.{name}") for name in outcomes)], lines)


def blind_on_tune() -> str:
    """The whole image as the answer on the tune images of each setting: what the open choices are read against."""
    stored = _ceilings()["blind"]["whole_image"]
    cells = [f"{stored['native.tune']:.1f}", f"{stored['px224.tune']:.1f}", "100.0"]
    return results.markdown_table(
        ["on tune images", "plain", "at 224 px", "in clutter"], [["the whole image, %", *cells]]
    )


def mean_blur() -> str:
    """What the mean of 4 x 4 cells of the score map changes in clutter, network by network."""
    outcomes = ("pointing_error_off_middle", "gt_known_30", "gt_known_50", "cam.gt_known_50")
    lines = []
    for name in FOUR[1:]:
        found = [results.difference("blur", f"{name}_mean", name, f"clutter.{outcome}") for outcome in outcomes]
        if None in found:
            return f"*These networks of the study `blur` are {NOT_MEASURED}.*"
        lines.append([display_name(name), str(found[0].n), *(interval_cell(one, ".1f", "+") for one in found)])
    header = ["blurred − as it is, points", "seeds", *(metrics.label(f"clutter.{outcome}") for outcome in outcomes)]
    return results.markdown_table(header, lines)


def beside(k: int) -> str:
    """Top-k localization error beside the paper's, with the ResNet of equal cost below."""
    ours, theirs = f"localization.native.top{k}_localization", f"top{k}_loc_err_pct"
    return beside_table("classification", ours, "table2_localization", theirs, (LARGE,))


def _ceilings() -> dict:
    return json.loads((files.results_dir() / "ceilings.json").read_text(encoding="utf-8"))


def pets_controls() -> str:
    """What the pets' networks are read against: ResNet-18 read densely, answers without a network, what tiles allow."""
    outcomes = ("mask_iou", "mask_iou_own", "mask_pointing_error", "best70.gt_known_70")
    blind = {"mask_iou": "fixed_mask", "mask_pointing_error": "fixed_point", "best70.gt_known_70": "fixed_box_70"}
    answers = {
        "ResNet-18, dilated afterwards": {outcome: f"pets.posthoc.{outcome}" for outcome in outcomes},
        "without looking: one mask, one point, one box": {
            outcome: f"pets.trivial.{name}.{outcome.removeprefix('best70.')}" for outcome, name in blind.items()
        },
        "the best of all sets of 32 px tiles": {"mask_iou": "pets.trivial.tiles_32.mask_iou"},
        "the best of all sets of 8 px tiles": {"mask_iou": "pets.trivial.tiles_8.mask_iou"},
    }
    lines = []
    for answer, keys in answers.items():
        found = {outcome: sample("pets", "resnet_18", key) for outcome, key in keys.items()}
        if not all(values.n for values in found.values()):
            return f"*These answers of the study `pets` are {NOT_MEASURED}.*"
        cells = [
            signed(found[outcome].mean, metrics.style(outcome)) if outcome in found else "–" for outcome in outcomes
        ]
        lines.append([answer, *cells])
    return results.markdown_table(["answer", *(metrics.label(f"pets.{outcome}") for outcome in outcomes)], lines)


TABLES = {
    "localization-beside-top1": partial(beside, 1),
    "localization-beside-top5": partial(beside, 5),
    "localization-steps": steps,
    "reading-levels": reading_levels,
    "reading-or-training": partial(reading_or_training, "classification"),
    "reading-or-training-on-clutter": partial(reading_or_training, "clutter"),
    "against-blind": partial(against_blind, "classification"),
    "against-blind-in-clutter": partial(against_blind_in_clutter, "classification"),
    "against-blind-on-clutter": partial(against_blind_in_clutter, "clutter"),
    "thresholds": partial(thresholds, "classification"),
    "localization-ceilings": ceilings,
    "localization-by-size": by_size,
    "localization-enlarged": enlarged,
    "clutter-controls": clutter_controls,
    "blind-on-tune": blind_on_tune,
    "blur-by-mean": mean_blur,
    "pets-controls": pets_controls,
}
