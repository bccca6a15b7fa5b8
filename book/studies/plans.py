"""A study's plan: which networks are trained from which seeds, in which order, by which recipe. No torch.

What one run does and leaves is `runs.py`'s subject; `pool.py` carries a plan's runs out and says how far they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path

from book.studies import files
from book.studies.reading import contrasts, strict
from book.studies.reading.contrasts import Contrast
from book.studies.reading.records import StoredRun
from drn_lib import paths
from drn_lib.architecture import architecture, list_networks
from drn_lib.checks import one_of, whole_number
from drn_lib.datasets.splits import PARTS
from drn_lib.training import starts
from drn_lib.training.recipes import ENGINES, Recipe, SegmentationRecipe, recipe

SCORED = {"camvid": ("test", "val"), "cityscapes": ("val",), "imagenet": ("val",)}
"""The parts on which a run may be scored, by data set; of others those of a partition that are not trained on."""


@dataclass(frozen=True)
class Variant:
    """One network as a study trains it: by which recipe and, where it is not the family's own, which dilation rule.

    `name` is the network's where nothing but the recipe's learning rate tells it apart, else one of its own.
    The recipe's kind says what is trained: a classifier, or a network that names every pixel.
    `start` are shipped weights to start from, "classification/resnet_18": those of the same seed. A ResNet's may start
    the DRN-A of its depth, which so is the ResNet dilated by the exact rule. With `head` "drop" the classifier begins
    fresh, for other classes than theirs. `tail` is how an unlinked tail begins (`training.starts`).
    """

    name: str
    network: str
    recipe: Recipe
    dilation_rule: str | None = None
    start: str | None = None
    head: str = "strict"
    tail: str = "fresh"

    @property
    def side(self) -> int:
        """Pixels a side of what the network sees in training."""
        return getattr(self.recipe, self.recipe.SIDE)


@dataclass(frozen=True)
class Wave:
    """Runs that belong together: every variant with every seed. An optional wave is run when hours are left."""

    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    keep_weights: tuple[int, ...] = ()
    optional: bool = False
    title: str = ""


@dataclass(frozen=True)
class Plan:
    """A study's plan as data/studies/<study>.yml holds it, committed before its runs.

    scored_part   the part of the data on which each finished run is scored: "test", or for a pilot "tune" or "val",
                  which may be looked at
    engine        what computes the trainings' convolutions, one of `recipes.ENGINES`; "fast" is for CPUs
    primary_comparisons  (left, right) of the variants whose differences are corrected together, outcome by outcome
    families      the primary contrasts and what is expected of them, by the name of those that are corrected together
    """

    study: str
    variants: dict[str, Variant]
    waves: tuple[Wave, ...]
    scored_part: str = "test"
    engine: str = "plain"
    primary_comparisons: tuple[tuple[str, str], ...] = ()
    families: Mapping[str, tuple[Contrast, ...]] = field(default_factory=dict)

    def runs(self) -> list[tuple[str, int]]:
        """(variant, seed) in the order in which they are carried out: wave by wave, all variants of a seed first."""
        pairs = [(name, seed) for wave in self.waves for seed in wave.seeds for name in wave.variants]
        return list(dict.fromkeys(pairs))

    def keeps_weights(self, variant: str, seed: int) -> bool:
        """Whether the weights of this run are committed."""
        return any(variant in wave.variants and seed in wave.keep_weights for wave in self.waves)

    def is_optional(self, variant: str, seed: int) -> bool:
        """Whether the study is complete without this run."""
        return all(wave.optional for wave in self.waves if variant in wave.variants and seed in wave.seeds)

    @staticmethod
    def run_name(variant: str, seed: int) -> str:
        """The name of a run's files: "drn_c_26-s0"."""
        return f"{variant}-s{seed}"

    def result_file(self, name: str) -> Path:
        """The JSON file of the run called `name`; where it exists, the run is done."""
        return files.results_dir() / self.study / f"{name}.json"

    def weights_file(self, name: str) -> Path:
        """The committed weights of the run called `name`."""
        return paths.checkpoints_dir() / self.study / f"{name}.safetensors"

    def result(self, variant: str, seed: int) -> StoredRun | None:
        """What the finished run left in its JSON file, None where it is not done.

        Raises:
            ValueError: it was trained otherwise than the plan says now.
        """
        file = self.result_file(self.run_name(variant, seed))
        if not file.exists():
            return None
        result = files.load_run(file)
        self.accept(result)
        if changed := self.changed(result):
            raise ValueError(
                f"{file.name} of study {self.study} was trained with another {', '.join(changed)} than its plan has; "
                f"move it and {self.work_folder(self.run_name(variant, seed))} away to train it again, or fix the plan"
            )
        return result

    def changed(self, result: StoredRun) -> list[str]:
        """In what a run was trained otherwise than its variant is planned now; empty where in nothing."""
        known = self.variants[result.variant]
        planned = {**known.recipe.as_dict(), "network": known.network}
        trained = {**result.recipe, "network": result.architecture}
        for key in ("start", "head", "tail"):
            planned[key], trained[key] = getattr(known, key), getattr(result, key)
        planned["engine"], trained["engine"] = self.engine, "fast" if result.engine else "plain"
        if known.dilation_rule is not None:
            planned["dilation_rule"], trained["dilation_rule"] = known.dilation_rule, result.dilation_rule
        return [key for key in {**planned, **trained} if planned.get(key) != trained.get(key)]

    def accept(self, result: StoredRun) -> None:
        """Raise ResultsError where `require_planned` does, or a run here lacks its outcomes image by image."""
        self.require_planned(result)
        arrays = self.result_file(result.name).with_suffix(".npz")
        if not arrays.exists():
            raise files.ResultsError(f"{arrays} is missing, which holds the outcomes of {result.name} image by image")

    def require_planned(self, result: StoredRun) -> None:
        """Raise ResultsError where the study does not plan such a run, or it was scored on another part."""
        if (result.variant, result.seed) not in self._planned:
            raise files.ResultsError(
                f"study {self.study} has results of {result.name}, which its plan does not have; move them away"
            )
        part = result.scored_part
        if part not in (None, self.scored_part):
            raise files.ResultsError(
                f"{result.name} of study {self.study} was scored on the part {part}, where its plan says "
                f"{self.scored_part}; move it away, or fix the plan"
            )

    @cached_property
    def _planned(self) -> frozenset[tuple[str, int]]:
        return frozenset(self.runs())

    def work_folder(self, name: str) -> Path:
        """Where the run called `name` keeps its state and its log until it is done."""
        return paths.cache_dir() / "runs" / self.study / name


def load_plan(study: str) -> Plan:
    """The plan data/studies/<study>.yml, read strictly: what it says is right as far as that shows without its data.

    Raises:
        ValueError: there is no such plan, or something in it is unknown, missing, there twice or of the wrong type.
    """
    plan = _read(study)
    with strict.within(f"the plan {study}.yml"):
        for variant in plan.variants.values():
            if variant.start is not None:
                with strict.within(f"variant {variant.name}"):
                    _check_start(plan, variant)
        contrasts.check(plan.families, study, lambda home: list((plan if home == study else _read(home)).variants))
    return plan


def list_plans() -> list[str]:
    """The names of all studies that have a plan."""
    return sorted(path.stem for path in files.studies_dir().glob("*.yml"))


def find_plan(study: str) -> Plan | None:
    """The plan of a study whose results are read, None where it has none; weights to start from are not looked for."""
    return _read(study) if (files.studies_dir() / f"{study}.yml").exists() else None


def _read(study: str) -> Plan:
    """A plan without a look at the weights that its variants begin from, which may be another plan's."""
    file = files.studies_dir() / f"{study}.yml"
    if not isinstance(study, str) or not strict.NAME.fullmatch(study) or not file.exists():
        one_of("plan in data/studies called", study, list_plans())
        strict.name("a study", study)
    with strict.within(f"the plan {file.name}"):
        try:
            return _parsed(study, strict.read_text(file))
        except RecursionError:
            raise ValueError("its lists hold themselves") from None


@lru_cache  # the pages ask for the same plans some thousand times
def _parsed(study: str, text: str) -> Plan:
    known = [field.name for field in fields(Plan)] + ["recipe", "changes", "primary_outcomes"]
    plan = strict.mapping("the plan", strict.parse_yaml(text), known, ("study", "recipe", "waves"))
    if plan["study"] != study:
        raise ValueError(f"study must be {study}, as the file is called, not {plan['study']!r}")
    base = recipe(plan["recipe"])
    part = plan.get("scored_part", "test")
    one_of(f"part of {base.dataset} to score called", part, SCORED.get(base.dataset, PARTS[1:]))
    engine = one_of("engine", plan.get("engine", "plain"), ENGINES)
    waves = []
    for number, row in enumerate(strict.distinct("waves", plan["waves"]), 1):
        with strict.within(f"wave {number}"):
            waves.append(_wave(**strict.mapping("a wave", row, _WAVE, ("variants", "seeds"))))
    common = strict.mapping("changes", plan.get("changes", {}))
    described = strict.mapping("variants", plan.get("variants", {}))
    variants = {}
    for name in dict.fromkeys([*(name for wave in waves for name in wave.variants), *described]):
        with strict.within(f"variant {name}"):
            changes = strict.mapping("a variant", described.get(name, {}))
            variants[name] = _variant(name, base, **{**common, **changes})
    unused = [name for name in described if not any(name in wave.variants for wave in waves)]
    if unused:
        raise ValueError(f"it describes {', '.join(unused)}, which no wave trains")
    runs = Counter((name, seed) for wave in waves for name in wave.variants for seed in wave.seeds)
    twice = [Plan.run_name(*run) for run, count in runs.items() if count > 1]
    if twice:
        raise ValueError(f"two waves plan {', '.join(twice)}")
    pairs = strict.distinct("primary_comparisons", plan.get("primary_comparisons", []), 0)
    for pair in pairs:
        for name in strict.distinct("a primary comparison", pair):
            one_of("variant to compare called", name, variants)
        if len(pair) != 2:
            raise ValueError(f"a primary comparison has two variants, not {len(pair)}")
    for key in strict.distinct("primary_outcomes", plan.get("primary_outcomes", []), 0):
        strict.text("a primary outcome", key)
    families = contrasts.read(plan.get("families", {}))
    return Plan(study, variants, tuple(waves), part, engine, tuple(map(tuple, pairs)), families)


def _wave(variants, seeds, keep_weights=(), optional=False, title="") -> Wave:
    for name in strict.distinct("variants", variants):
        strict.name("a variant", name)
    kept = strict.distinct("keep_weights", keep_weights, 0) if keep_weights != () else []
    for seed in [*strict.distinct("seeds", seeds), *kept]:
        whole_number("a seed", seed, 0, 2**32 - 1)
    if not set(kept) <= set(seeds):
        raise ValueError(f"keep_weights has {sorted(set(kept) - set(seeds))}, which are none of its seeds")
    if not isinstance(optional, bool):
        raise ValueError(f"optional must be true or false, not {optional!r}")
    return Wave(tuple(variants), tuple(seeds), tuple(kept), optional, strict.text("title", title))


def _variant(
    name: str, base: Recipe, /, network=None, dilation_rule=None, start=None, head="strict", tail="fresh", **changes
) -> Variant:
    networks = list_networks()
    network = one_of("network", name if network is None else network, networks)
    if name in networks and name != network:
        raise ValueError(f"its network is {network}, so it needs another name than that of a network")
    if dilation_rule is not None:
        architecture(network, strict.text("dilation_rule", dilation_rule))
    one_of("way to treat the head called", head, ("strict", "drop"))
    if head == "drop" and (start is None or isinstance(base, SegmentationRecipe)):
        raise ValueError("head: drop is for a classifier that has a start")
    if start is not None:
        strict.text("start", start)
    starts.require_start(architecture(network, dilation_rule), strict.text("tail", tail))
    if tail != "fresh" and (start is not None or isinstance(base, SegmentationRecipe)):
        raise ValueError(f"tail: {tail} is for a classifier without a start")
    own = [field.name for field in fields(base) if field.name not in ("name", "dataset")]
    for change in changes:
        one_of("field of a variant called", change, [*_VARIANT, *own])
    return Variant(name, network, recipe(base.name, **changes), dilation_rule, start, head, tail)


def _check_start(plan: Plan, variant: Variant) -> None:
    """The weights that a variant begins from are there or another study keeps them, and fit its network."""
    study, _, name = variant.start.partition("/")
    if study == plan.study:
        raise ValueError(f"its start {variant.start} is of its own study")
    with strict.within("its start"):
        before = _read(study)
        source = before.variants[one_of(f"variant of {study} called", name, before.variants)]
    twin = source.network.replace("resnet_", "drn_a_")
    if variant.network not in (source.network, twin):
        raise ValueError(f"its start is a {source.network}, which cannot start a {variant.network}")
    if variant.recipe.width != source.recipe.width:
        raise ValueError(f"its start has the width {source.recipe.width}, not {variant.recipe.width}")
    for wave in plan.waves:
        for seed in wave.seeds if variant.name in wave.variants else ():
            shipped = before.weights_file(Plan.run_name(name, seed))
            if not before.keeps_weights(name, seed) and not shipped.is_file():
                raise ValueError(f"the study {study} keeps no weights of {Plan.run_name(name, seed)} to start from")


_WAVE = [field.name for field in fields(Wave)]
_VARIANT = [field.name for field in fields(Variant) if field.name not in ("name", "recipe")]
