"""Read the measured results: runs, their metrics over seeds, tables beside the paper's. No torch.

One run is one JSON file `data/results/<study>/<variant>-s<seed>.json`; beside it may lie a `.npz` of the same name
with one outcome per test image. A variant is a network as the study trains it, and bears the network's name where
nothing else tells it apart. What the numbers say together is computed in `book.studies.intervals`.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from book.studies import cache, files, metrics, plans
from book.studies.intervals import Interval, Sample, percent, student_t_difference
from book.studies.reading import contrasts, outcomes, strict
from book.studies.reading.records import StoredRun
from drn_lib.architecture import list_networks


def runs(study: str, name: str | None = None, root: Path | None = None) -> list[StoredRun]:
    """All runs of a study, in the order of the book and by seed; an empty list where nothing was measured yet.

    Args:
        study: a folder under `data/results/`.
        name: only this variant's runs, for example "drn_a_18"; a variant of another study is "clutter/drn_a_18" here
            and wherever a network of a study is named.
        root: another folder of results than `data/results/`.

    Raises:
        ResultsError: a file is damaged or was changed by hand, or the study's plan has no such run.
        ValueError: `study` or `name` is a path.
    """
    if name is not None:
        study, name = contrasts.split(study, name)
        strict.name("a variant", name)
    strict.name("a study", study)
    folder = (root or files.results_dir()) / study
    loaded = [files.load_run(path) for path in sorted(folder.glob(f"{name}-s*.json" if name else "*.json"))]
    if root is None and (plan := plans.find_plan(study)) is not None:
        for run in loaded:
            plan.accept(run)
    kept = [run for run in loaded if name in (None, run.variant)]
    # The book's order: ResNet, then A, B, C, D, then the ladder; a network before its variants.
    order = {network: place for place, network in enumerate(list_networks())}
    return sorted(kept, key=lambda run: (order.get(run.architecture, len(order)), run.variant, run.seed))


def variants(study: str, root: Path | None = None) -> list[str]:
    """The names of all variants of a study that have a run, in the order of `runs`."""
    return list(dict.fromkeys(run.variant for run in runs(study, root=root)))


def planned_variants(study: str) -> list[str]:
    """The names of all variants that the plan data/studies/<study>.yml names, in its order; none without a plan."""
    plan = plans.find_plan(study)
    return list(plan.variants) if plan else []


def planned_seeds(study: str, name: str) -> int:
    """How many seeds of a variant the study's plan wants, what runs "if hours are left" aside; 0 without a plan."""
    plan = plans.find_plan(study)
    return sum(len(wave.seeds) for wave in (plan.waves if plan else ()) if name in wave.variants and not wave.optional)


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
    found = [(run.seed, run.metrics[key]) for run in runs(study, name, root) if key in run.metrics]
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
    outcomes = outcomes_of(study, name, key, root)
    return outcomes[0] if outcomes and outcomes[1]["statistic"] is percent else None


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
        path = (root or files.results_dir()) / run.study / f"{run.name}.npz"
        rows.append(outcomes.read(path, array).get(array) if path.is_file() else None)
    if all(row is None for row in rows):
        return None
    if any(row is None for row in rows):
        raise files.ResultsError(f"some seeds of {name} in study {study} lack the outcomes {array}")
    if len({row.shape for row in rows}) > 1:
        raise files.ResultsError(f"the seeds of {name} in study {study} were scored on different numbers of images")
    return np.stack(rows)


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
        The `Interval`, over the images that both were scored on, or None where one side was not measured yet.

    Raises:
        ResultsError: the runs were not all computed by one engine, or the sides are of two studies that were not scored
            on the same images.
    """
    require_one_engine(study, left, right, root)
    _require_same_images(study, left, right, root)
    sides = metric(study, left, key, root), metric(study, right, right_key or key, root)
    if not all(side.n for side in sides):
        return None
    if min(side.n for side in sides) > 1:
        images = _shared(study, (left, key), (right, right_key or key), root)
        if images is not None:
            (left_counts, options), (right_counts, _) = images
            paired = are_paired(study, left, right, root) and sides[0].seeds == sides[1].seeds
            return cache.bootstrap_difference(left_counts, right_counts, **options, paired=paired)
    return difference_over_seeds(study, left, right, key, right_key, root)


def difference_over_seeds(
    study: str, left: str, right: str, key: str, right_key: str | None = None, root: Path | None = None
) -> Interval:
    """Student's t interval of left - right over seeds only; arguments as for `difference`, both sides measured."""
    require_one_engine(study, left, right, root)
    sides = samples(study, left, right, key, right_key, root)
    return student_t_difference(*sides, paired=are_paired(study, left, right, root))


def samples(
    study: str, left: str, right: str, key: str, right_key: str | None = None, root: Path | None = None
) -> list[Sample]:
    """The values over seeds of both sides of a difference, on the images that both were scored on."""
    sides = [metric(study, left, key, root), metric(study, right, right_key or key, root)]
    every = _thinning(study, (left, key), (right, right_key or key), root)
    if every != (1, 1):
        for place, (name, one) in enumerate(((left, key), (right, right_key or key))):
            counts, options = outcomes_of(study, name, one, root, every[place])
            values = options["statistic"](counts.mean(axis=1))
            sides[place] = Sample(sides[place].seeds, tuple(float(value) for value in values))
    return sides


def require_one_engine(study: str, left: str, right: str, root: Path | None = None) -> None:
    """Refuse to compare runs of which some were computed by another engine than the others.

    Builds of the kernel for several processors count as one engine: they differ by rounding, as kinds of CPU do.

    Raises:
        ResultsError: see above.
    """
    found = {run.computed_by: run.name for name in (left, right) for run in runs(study, name, root)}
    if len(found) > 1:
        said = " and ".join(f"{name} by {engine}" for engine, name in sorted(found.items()))
        raise files.ResultsError(
            f"{left} and {right} of study {study} cannot be compared, since not all of their runs were computed by one "
            f"engine ({said}): repeat some of them"
        )


def are_paired(study: str, left: str, right: str, root: Path | None = None) -> bool:
    """Whether a seed's two runs have weights in common: they are one run, or began from the same weights."""
    starts = [runs(study, name, root)[0].start for name in (left, right)]
    return left == right or (starts[0] == starts[1] and starts[0] is not None)


def _thinning(study: str, left: tuple[str, str], right: tuple[str, str], root: Path | None) -> tuple[int, int]:
    """For each side, (name, key), n where only every n-th of its images was scored on the other side too; else 1.

    Networks that see images of 128 px are scored on every second canvas. That these are the same canvases shows in what
    both store of them: which objects leave the middle free. ResultsError where no such n makes the two sides equal.
    """
    free = []
    for name, key in (left, right):
        found = per_image(study, name, f"{key.split('.')[0]}.off_middle", root)
        if found is None:
            return 1, 1
        free.append(found[0])
    more = max(len(free[0]), len(free[1])) // min(len(free[0]), len(free[1]))
    for every in ((more, 1), (1, more)):
        if np.array_equal(free[0][:: every[0]], free[1][:: every[1]]):
            return every
    raise files.ResultsError(f"{left[0]} and {right[0]} of study {study} were not scored on the same canvases")


def _shared(study: str, left: tuple[str, str], right: tuple[str, str], root: Path | None):
    """The outcomes of both sides, (name, key), of the images that they share; None where one side has none."""
    every = _thinning(study, left, right, root)
    sides = [outcomes_of(study, *side, root, step) for side, step in zip((left, right), every, strict=True)]
    return None if None in sides else sides


def _require_same_images(study: str, left: str, right: str, root: Path | None) -> None:
    """Refuse to compare runs that scored different images, even where they scored equally many."""
    found = [run for name in dict.fromkeys((left, right)) for run in runs(study, name, root)]
    for one, other in itertools.pairwise(found):
        ours, theirs = (run.dataset.get("sha256", {}) for run in (one, other))
        if isinstance(ours, dict) and isinstance(theirs, dict):
            ours, theirs = (
                [hashes.get(key) for key in ("test", "clutter") if key in ours.keys() & theirs.keys()]
                for hashes in (ours, theirs)
            )
        if ours != theirs:
            raise files.ResultsError(
                f"{one.name} of {one.study} and {other.name} of {other.study} were not scored on the same images"
            )


def outcomes_of(study: str, name: str, key: str, root: Path | None, every: int = 1) -> tuple[np.ndarray, dict] | None:
    """What each image counts for a metric, (seeds, images, ...), and how `bootstrap_difference` makes it the metric.

    Only every `every`-th image is taken.
    """
    stored = runs(study, name, root)
    found = metrics.outcome(key, stored[0].dataset) if stored else None
    arrays = [per_image(study, name, array, root) for array in found.arrays] if found else [None]
    if any(array is None for array in arrays):
        return None
    arrays = [array[:, ::every] for array in arrays]
    counts, options = found.decode(*arrays), {"statistic": found.statistic}
    drives = per_image(study, name, "sequence", root) if found.by_drive else None
    if found.drive is not None:
        return counts[:, drives[0] == found.drive], options  # the drives are the same for every seed
    return counts, options if drives is None else {**options, "groups": drives[0]}


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; vertical bars and line breaks in the cells are made harmless."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(header), "|" + " --- |" * len(header), *map(line, rows)])
