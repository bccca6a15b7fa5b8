"""The readings of one network, how two of them are compared, and where the measurements are stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from book.studies import cache, files
from book.studies.intervals import holm

if TYPE_CHECKING:
    from drn_lib.lite import LiteNetwork


def plan() -> dict:
    """What data/studies/measurements/lite0.yml says."""
    return files.read_yaml(files.studies_dir() / "measurements" / "lite0.yml")


def named(reading: Sequence) -> str:
    """A reading's name in the results: "as_trained", "exact_8", "levels_16"."""
    output_stride, rule = reading
    return "as_trained" if output_stride == 32 else f"{rule}_{output_stride}"


def read_as(model: LiteNetwork, reading: Sequence) -> LiteNetwork:
    """The network with its own weights at another output stride: (output stride, dilation rule)."""
    from drn_lib.conversion import dilate  # only here is torch needed

    return model if reading[0] == 32 else dilate(model, *reading)


def compare(
    comparisons: Iterable[dict],
    values: dict[str, np.ndarray],
    statistic: Callable[[np.ndarray], np.ndarray] = np.asarray,
    groups: np.ndarray | None = None,
) -> dict[str, dict]:
    """The planned comparisons, left minus right, with bootstrap intervals (95 %) and Holm's p-values.

    Args:
        comparisons: of the plan: `left` and `right` are readings, `predicted` is the sign.
        values: (seeds, images, ...), what each image counts, by the reading's name; without training one "seed".
        statistic, groups: as `intervals.bootstrap_difference` takes them.
    """
    found, p_values = {}, {}
    for row in comparisons:
        left, right = named(row["left"]), named(row["right"])
        interval = cache.bootstrap_difference(
            values[left], values[right], statistic=statistic, groups=groups, paired=True
        )
        name = f"{left} - {right}"
        found[name] = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
        found[name]["predicted"], p_values[name] = row["predicted"], interval.p
    for name, p in holm(p_values).items():
        found[name]["p_holm"] = p
    return found


def store(name: str, document: dict, arrays: dict[str, np.ndarray] | None = None) -> None:
    """Write data/results/lite0_<name>.json and, beside it, what each image came to as an .npz."""
    file = files.results_dir() / f"lite0_{name}.json"
    if arrays is not None:
        files.write_arrays(file, arrays)
    files.write_json(file, document)


def stored(name: str) -> dict | None:
    """What `store` wrote; None where it was not measured yet."""
    file = files.results_dir() / f"lite0_{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
