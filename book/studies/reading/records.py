"""A run as it is stored, and what its fields can hold: `files.load_run` refuses all else. No torch."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

from book.studies import metrics
from book.studies.reading import strict
from drn_lib.architecture import architecture
from drn_lib.checks import one_of, real_number, whole_number
from drn_lib.training import starts

GPU = " (GPU)"
"""Stands after the name of each GPU in a run's `device`."""
UNKNOWN = "unknown"
"""Stands for what computed before there was a note of it, or where the note was damaged."""
SHA256 = re.compile("[0-9a-f]{64}")
ENGINE = {"engine": "plain|drn-[0-9a-f]{16}", "choices": "[0-9a-f]{12}"}
"""What `drn_lib.fast.identity` gives of a run that it computed."""
METRIC = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")


def is_a_cpu(device: str) -> bool:
    """Whether a run's `device` is known to name only CPUs."""
    return GPU not in device and UNKNOWN not in device.split(", ")


@dataclass(frozen=True)
class StoredRun:
    """One run as its JSON file holds it; `data/results/schema.json` describes the fields.

    `variant` is the name under which the run's study knows it: its network's, or that of a variant of it.
    Lists and dictionaries are shared by all who load the run: read them only.
    """

    study: str
    recipe: str | dict
    architecture: str
    seed: int
    dataset: dict
    metrics: dict[str, float]
    curve: list[dict]
    seconds: float
    device: str
    torch: str
    commit: str | None
    variant: str = ""
    dilation_rule: str | None = None
    start: str | None = None
    start_sha256: str | None = None
    head: str = "strict"
    tail: str = "fresh"
    steps: int = 0
    threads: int = 1
    scored_commit: str | None = None
    finished: str = ""
    engine: dict | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "variant", self.variant or self.architecture)

    @property
    def name(self) -> str:
        """Of its files: "drn_c_26-s0"."""
        return f"{self.variant}-s{self.seed}"

    @property
    def computed_by(self) -> str:
        """What computed the convolutions of its training, as a sentence names it."""
        if self.engine is None:
            return "PyTorch's own convolutions"
        return "drn_lib.fast in PyTorch" if self.engine["engine"] == "plain" else "drn_lib.fast by its C++ kernel"

    @cached_property  # the pages ask some hundred thousand times
    def scored_part(self) -> str | None:
        """The part of the data that it was scored on, None where on none; ValueError where on two."""
        return metrics.scored_part(self.metrics)

    @property
    def on_a_cpu(self) -> bool:
        """Whether all of it was computed on CPUs: only then are its seconds those of a CPU."""
        return is_a_cpu(self.device)


def check(run: StoredRun) -> None:
    """Raise ValueError where a field is out of range, or two of them contradict each other."""
    for key in ("study", "architecture", "variant"):
        strict.name(f"the {key}", getattr(run, key))
    table = architecture(run.architecture, run.dilation_rule)
    one_of("way to treat the head called", run.head, ("strict", "drop"))
    starts.require_start(table, run.tail)
    if run.start_sha256 is not None and not SHA256.fullmatch(run.start_sha256):
        raise ValueError("start_sha256 is not 64 hexadecimal digits")
    for key, least in (("seed", 0), ("steps", 0), ("threads", 1)):
        whole_number(key, getattr(run, key), least)
    if run.engine is not None:
        strict.mapping("engine", run.engine, ENGINE, ENGINE)
        for key, form in ENGINE.items():
            if not re.fullmatch(form, strict.text(f"engine.{key}", run.engine[key])):
                raise ValueError(f"engine.{key} is {run.engine[key]!r}, which drn_lib.fast.identity does not give")
    real_number("seconds", run.seconds, 0.0, metrics.LARGEST)
    _check_dataset(run.dataset)
    for key, value in run.metrics.items():
        if not METRIC.fullmatch(key):
            raise ValueError(f"metrics has the name {key!r}, which is not lower-case words with dots between")
        real_number(key, value, *metrics.limits(key))
    _check_curve(run)


def _check_dataset(dataset: dict) -> None:
    strict.mapping("dataset", dataset, required=("name", "counts"))
    strict.text("dataset.name", dataset["name"])
    for part, count in strict.mapping("dataset.counts", dataset["counts"]).items():
        whole_number(f"dataset.counts.{part}", count, 0)
    for drive, count in strict.mapping("dataset.sequences", dataset.get("sequences", {})).items():
        whole_number(f"dataset.sequences.{drive}", count, 1)
    for name in strict.distinct("dataset.classes", dataset.get("classes", []), 0):
        strict.text("a class of dataset.classes", name)
    hashes = dataset.get("sha256", {})
    for part, digits in (hashes if isinstance(hashes, dict) else {"": hashes}).items():
        if not isinstance(digits, str) or not SHA256.fullmatch(digits):
            raise ValueError(f"dataset.sha256 {part} is not 64 hexadecimal digits")


def _check_curve(run: StoredRun) -> None:
    """Every epoch once and in order, with numbers that can be; as many epochs and steps as the recipe says."""
    for epoch, row in enumerate(run.curve, 1):
        for key, value in strict.mapping(f"row {epoch} of curve", row, required=("epoch",)).items():
            if value is not None:
                real_number(f"{key} in row {epoch} of curve", value, *metrics.limits(key.partition("_")[2]))
        if row["epoch"] != epoch:
            raise ValueError(f"row {epoch} of curve is of epoch {row['epoch']}")
    recipe = run.recipe if isinstance(run.recipe, dict) else {}
    if "epochs" in recipe and len(run.curve) != recipe["epochs"]:
        raise ValueError(f"curve has {len(run.curve)} epochs, but the recipe {recipe['epochs']}")
    images, batch = run.dataset["counts"].get("train"), recipe.get("batch_size")
    if run.steps and images and batch and run.steps != recipe["epochs"] * math.ceil(images / batch):
        raise ValueError(f"steps is {run.steps}, which is not {recipe['epochs']} epochs of {images} images by {batch}")
