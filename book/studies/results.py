"""Read the measured results: runs, their metrics over seeds, tables beside the paper's. No torch.

One run is one JSON file `data/results/<study>/<variant>-s<seed>.json`; beside it may lie a `.npz` of the same name
with one outcome per test image. A variant is a network as the study trains it, and bears the network's name where
nothing else tells it apart. What the numbers say together is computed in `book.studies.intervals`.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import yaml

from book.studies.files import ResultsError, load_run
from book.studies.intervals import Interval, Sample, bootstrap_difference, student_t_difference
from drn_lib.architecture import list_ablations, list_models
from drn_lib.paths import results_dir, studies_dir
from drn_lib.segmentation import metrics

OUTCOMES = {"top1": "correct", "top5": "top5_correct"}
"""Which array of a run's `.npz` says, image by image, what `final.<part>.<name>` says of all."""


def variant(run: dict) -> str:
    """The name under which a run's study knows it: its network's, or that of a variant of it."""
    return run.get("variant", run["architecture"])


GPU = " (GPU)"
"""Stands behind the name of each GPU in a run's `device`."""


def on_a_cpu(run: dict) -> bool:
    """Whether all of a run was computed on CPUs: only then are its seconds those of a CPU."""
    return GPU not in run["device"]


def runs(study: str, name: str | None = None, root: Path | None = None) -> list[dict]:
    """All runs of a study, in the order of the book and by seed; an empty list where nothing was measured yet.

    Args:
        study: a folder under `data/results/`.
        name: only this variant's runs, for example "drn_a_18".
        root: another folder of results than `data/results/`.
    """
    folder = (root or results_dir()) / study
    loaded = [load_run(path) for path in sorted(folder.glob(f"{name or '*'}-s*.json"))]
    kept = [run for run in loaded if name in (None, variant(run))]
    # The book's order: ResNet, then A, B, C, D, then the ladder; a network before its variants.
    order = {network: place for place, network in enumerate([*list_models(), *list_ablations()])}
    return sorted(kept, key=lambda run: (order.get(run["architecture"], len(order)), variant(run), run["seed"]))


def variants(study: str, root: Path | None = None) -> list[str]:
    """The names of all variants of a study that have a run, in the order of `runs`."""
    return list(dict.fromkeys(variant(run) for run in runs(study, root=root)))


def planned_variants(study: str) -> list[str]:
    """The names of all variants that the plan data/studies/<study>.yml names, in its order; none without a plan."""
    path = studies_dir() / f"{study}.yml"
    if not path.is_file():
        return []
    waves = yaml.safe_load(path.read_text(encoding="utf-8"))["waves"]
    return list(dict.fromkeys(name for wave in waves for name in wave["variants"]))


def planned_seeds(study: str, name: str) -> int:
    """How many seeds of a variant the study's plan wants, what runs "if hours are left" aside; 0 without a plan."""
    path = studies_dir() / f"{study}.yml"
    waves = yaml.safe_load(path.read_text(encoding="utf-8"))["waves"] if path.is_file() else []
    wanted = [wave["seeds"] for wave in waves if name in wave["variants"] and not wave.get("optional")]
    return len(set().union(*wanted))


def metric(study: str, name: str, key: str, root: Path | None = None) -> Sample:
    """The values of one metric over the seeds of one network.

    Args:
        study: a folder under `data/results/`.
        name: of a network or variant.
        key: a key of the runs' `metrics`, for example "final.test.top1" (top-1 error, percent).
        root: another folder of results than `data/results/`.

    Returns:
        A `Sample`; it is empty (n = 0) where no run of this network has the metric.
    """
    found = [(run["seed"], run["metrics"][key]) for run in runs(study, name, root) if key in run["metrics"]]
    return Sample(tuple(seed for seed, _ in found), tuple(float(value) for _, value in found))


def wrong(study: str, name: str, key: str, root: Path | None = None) -> np.ndarray | None:
    """Which test images came out wrong, for each seed.

    Args:
        study: a folder under `data/results/`.
        name: of a network or variant.
        key: a metric that counts images, for example "final.test.top1", "clutter.pointing_error_off_middle" or
            "localization.native.gt_known_50".
        root: another folder of results than `data/results/`.

    Returns:
        An array (seeds, images) of 0.0 and 1.0, or None where a run has no outcomes per image for this metric.

    Raises:
        ResultsError: the seeds were not scored on the same number of images.
    """
    setting, _, last = key.rpartition(".")
    if setting.startswith("final.") and last in OUTCOMES:
        needed = [OUTCOMES[last]]
    elif last in ("pointing_error", "mask_pointing_error"):
        needed = [f"{setting}.{last.removesuffix('_error')}"]
    elif last == "pointing_error_off_middle":
        needed = [f"{setting}.pointing", f"{setting}.off_middle"]
    elif re.fullmatch(r"gt_known_\d\d", last):
        needed = [f"{setting.removesuffix('.cam')}.cam_iou" if setting.endswith(".cam") else f"{setting}.iou"]
    else:
        return None
    found = [per_image(study, name, array, root) for array in needed]
    if any(array is None for array in found):
        return None
    if needed[0].endswith("iou"):  # 200 times the overlap, rounded up
        return (found[0] <= 2 * int(last[-2:])).astype(float)
    right = found[0].astype(float)
    return 1.0 - (right[:, found[1][0].astype(bool)] if len(found) == 2 else right)  # the same canvases for every seed


def per_image(study: str, name: str, array: str, root: Path | None = None) -> np.ndarray | None:
    """What the runs of a network stored for each test image under one name: (seeds, images, ...).

    Args:
        study: a folder under `data/results/`.
        name: of a network or variant.
        array: of the `.npz` beside each run, for example "correct" or "confusion".
        root: another folder of results than `data/results/`.

    Returns:
        None where nothing was measured yet, or a run did not store it.

    Raises:
        ResultsError: the seeds were not scored on the same number of images.
    """
    rows = []
    for run in runs(study, name, root):
        path = (root or results_dir()) / study / f"{name}-s{run['seed']}.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as arrays:
            if array not in arrays:
                return None
            rows.append(arrays[array])
    if len({len(row) for row in rows}) > 1:
        raise ResultsError(f"the seeds of {name} in study {study} were scored on different numbers of images")
    return np.stack(rows) if rows else None


def difference(
    study: str, left: str, right: str, key: str, right_key: str | None = None, root: Path | None = None
) -> Interval | None:
    """The interval of left - right for one metric: by bootstrap where outcomes per image are stored, else over seeds.

    Args:
        study: a folder under `data/results/`.
        left: a network, for example "drn_a_18".
        right: the network that it is compared with; it may be the same one where `right_key` differs.
        key: the metric; errors that count images (see `wrong`), overlaps with a mask and the scores of a segmentation,
            "final.test.…", have outcomes per image.
        right_key: the metric of the right side where it is another one.
        root: another folder of results than `data/results/`.

    Returns:
        The `Interval`, or None where one side was not measured yet.
    """
    sides = metric(study, left, key, root), metric(study, right, right_key or key, root)
    if not all(side.n for side in sides):
        return None
    if min(side.n for side in sides) > 1:
        images = _outcomes(study, left, key, root), _outcomes(study, right, right_key or key, root)
        if images[0] is not None and images[1] is not None:
            (left_counts, options), (right_counts, _) = images
            paired = are_paired(study, left, right, root) and sides[0].seeds == sides[1].seeds
            return bootstrap_difference(left_counts, right_counts, **options, paired=paired)
    return difference_over_seeds(study, left, right, key, right_key, root)


def difference_over_seeds(
    study: str, left: str, right: str, key: str, right_key: str | None = None, root: Path | None = None
) -> Interval:
    """Student's t interval of left - right over seeds alone; arguments as for `difference`, both sides measured."""
    sides = metric(study, left, key, root), metric(study, right, right_key or key, root)
    return student_t_difference(*sides, paired=are_paired(study, left, right, root))


def are_paired(study: str, left: str, right: str, root: Path | None = None) -> bool:
    """Whether a seed's two runs have weights in common: they are one run, or began from the same weights."""
    starts = [runs(study, name, root)[0].get("start") for name in (left, right)]
    return left == right or (starts[0] == starts[1] and starts[0] is not None)


def _outcomes(study: str, name: str, key: str, root: Path | None) -> tuple[np.ndarray, dict] | None:
    """What each image counts for a metric, (seeds, images, ...), and how `bootstrap_difference` makes it the metric."""
    errors = wrong(study, name, key, root)
    if errors is not None:
        return errors, {}
    kind, _, score = key.partition(".")
    if score.endswith(("mask_iou", "mask_iou_own")):
        overlaps = per_image(study, name, key, root)  # 200 times the overlap, rounded up
        return None if overlaps is None else (overlaps / 200, {"statistic": np.asarray})
    if kind != "final":
        return None
    dataset = runs(study, name, root)[0]["dataset"]
    of_drive = re.fullmatch(r"[^.]+\.sequence\.([^.]+)\.(.+)", score)
    asked = of_drive[2] if of_drive else score.partition(".")[2]
    found = metrics.outcome(asked, dataset.get("classes", ()))
    counts = None if found is None else per_image(study, name, found[0], root)
    if counts is None:
        return None
    drives = per_image(study, name, "sequence", root)
    groups = None if drives is None else drives[0]  # the same for every seed
    if of_drive:
        number = [drive.lower() for drive in dataset["sequences"]].index(of_drive[1])
        return counts[:, groups == number], {"statistic": found[1]}
    return counts, {"statistic": found[1], "groups": groups}


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; vertical bars and line breaks in the cells are made harmless."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(header), "|" + " --- |" * len(header), *map(line, rows)])
