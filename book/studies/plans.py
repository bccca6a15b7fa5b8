"""A study's plan: which networks are trained from which seeds, in which order, by which recipe. No torch.

What one run does and leaves is `runs.py`'s subject; `pool.py` carries a plan's runs out and says how far they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from book.studies import files
from book.studies.files import StoredRun
from drn_lib import paths
from drn_lib.architecture import list_ablations, list_models
from drn_lib.training.recipes import Recipe, recipe


@dataclass(frozen=True)
class Variant:
    """One network as a study trains it: by which recipe and, where it is not the family's own, which dilation rule.

    `name` is the network's where nothing but the recipe's learning rate tells it apart, else one of its own.
    The recipe's kind says what is trained: a classifier, or a network that names every pixel.
    `start` are shipped weights to start from, "classification/resnet_18": those of the same seed. A ResNet's may start
    the DRN-A of its depth, which so is the ResNet dilated by the exact rule. With `head` "drop" the classifier begins
    fresh, for other classes than theirs.
    """

    name: str
    network: str
    recipe: Recipe
    dilation_rule: str | None = None
    start: str | None = None
    head: str = "strict"


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
    """

    study: str
    variants: dict[str, Variant]
    waves: tuple[Wave, ...]
    scored_part: str = "test"

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
        file, known = self.result_file(self.run_name(variant, seed)), self.variants[variant]
        if not file.exists():
            return None
        result = files.load_run(file)
        planned = {**known.recipe.as_dict(), "network": known.network, "start": known.start, "head": known.head}
        trained = {**result.recipe, "network": result.architecture, "start": result.start, "head": result.head}
        if known.dilation_rule is not None:
            planned["dilation_rule"], trained["dilation_rule"] = known.dilation_rule, result.dilation_rule
        changed = [key for key in {**planned, **trained} if planned.get(key) != trained.get(key)]
        if changed:
            raise ValueError(
                f"{file.name} of study {self.study} was trained with another {', '.join(changed)} than its plan has; "
                f"move it and {self.work_folder(self.run_name(variant, seed))} away to train it again, or mend the plan"
            )
        return result

    def work_folder(self, name: str) -> Path:
        """Where the run called `name` keeps its state and its log until it is done."""
        return paths.cache_dir() / "runs" / self.study / name


def load_plan(study: str) -> Plan:
    """The plan data/studies/<study>.yml.

    Raises:
        ValueError: there is no such plan, or a field is missing or names an unknown network.
    """
    file = files.studies_dir() / f"{study}.yml"
    if not file.exists():
        known = ", ".join(sorted(path.stem for path in files.studies_dir().glob("*.yml")))
        raise ValueError(f"there is no plan {file.name} in data/studies; choose one of {known}")
    fields = files.read_yaml(file)
    missing = {"study", "recipe", "waves"} - set(fields)
    if missing:
        raise ValueError(f"the plan {file.name} lacks {', '.join(sorted(missing))}")
    try:
        waves = tuple(_wave(**row) for row in fields["waves"])
        common, changes = fields.get("changes") or {}, fields.get("variants") or {}
        names = dict.fromkeys(name for wave in waves for name in wave.variants)
        variants = {name: _variant(name, fields["recipe"], **{**common, **changes.get(name, {})}) for name in names}
    except TypeError as error:  # a misspelt field
        raise ValueError(f"the plan {file.name} has a field that is not known: {error}") from error
    unused = sorted(set(changes) - set(names))
    if unused:
        raise ValueError(f"the plan {file.name} describes {', '.join(unused)}, which no wave trains")
    known = {*list_models(), *list_ablations()}
    unknown = sorted(variant.network for variant in variants.values() if variant.network not in known)
    if unknown:
        raise ValueError(f"the plan {file.name} names {', '.join(unknown)}, which create_model does not know")
    return Plan(fields["study"], variants, waves, fields.get("scored_part", "test"))


def _wave(variants, seeds, keep_weights=(), optional=False, title="") -> Wave:
    return Wave(tuple(variants), tuple(seeds), tuple(keep_weights), optional, title)


def _variant(
    name: str, recipe_name: str, network=None, dilation_rule=None, start=None, head="strict", **recipe_changes
) -> Variant:
    return Variant(name, network or name, recipe(recipe_name, **recipe_changes), dilation_rule, start, head)
