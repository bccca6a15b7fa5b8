"""A study: a committed plan of (network, seed) runs, carried out by any number of resumable workers.

    python -m book.studies first_networks --workers 2      # resumes where it stopped
    python -m book.studies first_networks --status         # done, left, hours left

What one run does and leaves is `runs.py`'s subject; here is their order, their workers and how far they are.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from book.studies import files
from book.studies.files import StoredRun
from drn_lib import costs, paths
from drn_lib.architecture import architecture, list_ablations, list_models, scale_width
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


@dataclass(frozen=True)
class RunStatus:
    """How far one run is: steps done and in all, the seconds that the done ones took, whether the study needs it,
    and whether those seconds are a CPU's."""

    name: str
    step: int
    total_steps: int
    seconds: float
    done: bool
    optional: bool = False
    on_a_cpu: bool = True


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


def run(plan: Plan, workers: int = 1, device: str = "cpu") -> None:
    """Carry out every run of the plan that is not done, `workers` at a time, each with one thread of the CPU.

    Two processes of one thread use two cores better than one of two; on a GPU several keep it busy, since networks as
    small as these wait for Python most of the time. Killing it loses at most half a minute of
    each run; calling it again resumes.
    """
    if workers < 1:
        raise ValueError(f"a study needs 1 worker or more, not {workers}")
    left = [status.name for status in status(plan) if not status.done]
    busy: dict[str, subprocess.Popen] = {}
    failed = []
    try:
        while left or busy:
            while left and len(busy) < workers:
                name = left.pop(0)
                busy[name] = _start_worker(plan, name, device)
                print(f"{_clock()} {name} started, log in {plan.work_folder(name) / 'log.txt'}", flush=True)
            time.sleep(1.0)
            for name, process in list(busy.items()):
                if process.poll() is not None:
                    del busy[name]
                    failed += [name] if process.returncode else []
                    print(f"{_clock()} {name} {'FAILED, see its log' if process.returncode else 'done'}", flush=True)
    finally:  # workers left alone would hold their runs against the next call
        for process in busy.values():
            process.terminate()
        for process in busy.values():
            process.wait()
    if failed:
        raise RuntimeError(f"{len(failed)} of the runs failed: {', '.join(failed)}; their logs say why")


def status(plan: Plan) -> list[RunStatus]:
    """How far each run of the plan is, in its order. ValueError where a finished one is not of this plan."""
    out = []
    for variant, seed in plan.runs():
        name = plan.run_name(variant, seed)
        optional = plan.is_optional(variant, seed)
        state_file = plan.work_folder(name) / "state.pt"
        if (result := plan.result(variant, seed)) is not None:
            steps = result.steps
            out.append(RunStatus(name, steps, steps, result.seconds, True, optional, result.on_a_cpu))
        elif state_file.exists():
            try:
                state = torch.load(state_file, map_location="cpu", weights_only=True)
            except Exception:  # the run itself says in its log what is wrong with it
                out.append(RunStatus(name, 0, 0, 0.0, False, optional))
                continue
            images = json.loads(state["run"])["images"]
            recipe = plan.variants[variant].recipe
            total = recipe.epochs * recipe.steps_per_epoch(images)
            note = plan.work_folder(name) / "devices"
            on_a_cpu = not note.exists() or files.GPU not in note.read_text(encoding="utf-8")
            out.append(RunStatus(name, state["step"], total, state["seconds"], False, optional, on_a_cpu))
        else:
            out.append(RunStatus(name, 0, 0, 0.0, False, optional))
    return out


def hours_left(plan: Plan, statuses: list[RunStatus]) -> tuple[float, bool] | None:
    """One thread's hours that the unfinished runs still take; None as long as nothing has run.

    What ran on a GPU tells nothing of a CPU's hours. A run that has not begun is taken to cost what another seed of the
    same network costs. For a network that has never
    run it is taken from the others by multiply-adds; then the second value is True: the hours are a guess.
    """
    whole = {}
    for item in statuses:
        if item.step and item.on_a_cpu:
            whole[item.name.rsplit("-s", 1)[0]] = item.seconds / item.step * item.total_steps
    if not whole:
        return None
    pace = statistics.median(seconds / _work(plan.variants[name]) for name, seconds in whole.items())
    seconds, guessed = 0.0, False
    for item in statuses:
        name = item.name.rsplit("-s", 1)[0]
        if not item.done:
            guessed |= name not in whole
            cost = whole[name] if name in whole else pace * _work(plan.variants[name])
            seconds += cost * (1.0 - (item.step / item.total_steps if item.total_steps else 0.0))
    return seconds / 3600.0, guessed


def _work(variant: Variant) -> int:
    """Multiply-adds of one image, times the epochs: what a variant's training costs next to another's."""
    recipe = variant.recipe
    table = scale_width(architecture(variant.network, variant.dilation_rule), recipe.width)
    size = getattr(recipe, recipe.SIDE)
    return costs.multiply_adds(table, size) * recipe.epochs


def report(plan: Plan) -> str:
    """One line a run and one for the hours left, as `study --status` prints them."""
    statuses = status(plan)
    lines = []
    for item in statuses:
        share = f"{100 * item.step / item.total_steps:.0f} %" if item.total_steps else "not begun"
        place = "done" if item.done else share
        lines.append(f"{item.name:32} {place:10} {item.seconds / 60:6.1f} min{'  (optional)' if item.optional else ''}")
    for title, optional in (("the study", False), ("if hours are left", True)):
        part = [item for item in statuses if item.optional is optional]
        left = [item for item in part if not item.done]
        if not part:
            continue
        # The runs that are done tell what another one costs, whichever part they are in.
        found = hours_left(plan, [item for item in statuses if item.done] + left)
        when = "unknown until a run has begun"
        if found is not None:
            when = f"{'about ' if found[1] else ''}{found[0]:.1f} h of one thread"
        lines.append(f"{title}: {len(part) - len(left)} done, {len(left)} left: {when}")
    return "\n".join(lines)


def _start_worker(plan: Plan, name: str, device: str) -> subprocess.Popen:
    folder = plan.work_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DRN_PROGRESS": "0"}
    command = [sys.executable, "-m", "book.studies", plan.study, "--run", name, "--device", device]
    with open(folder / "log.txt", "a") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)


def _clock() -> str:
    return time.strftime("%H:%M:%S")
