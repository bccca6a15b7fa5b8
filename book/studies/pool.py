"""A plan's runs, carried out by any number of resumable workers, and how far they are.

python -m book.studies first_networks --workers 2      # resumes where it stopped
python -m book.studies first_networks --status         # done, left, hours left
"""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from book.studies import files, provenance, results
from book.studies.plans import Plan, Variant
from book.studies.reading import records
from drn_lib import costs, locks, paths
from drn_lib.architecture import architecture, scale_width
from drn_lib.checks import one_of, whole_number
from drn_lib.training.recipes import Recipe


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


def run(plan: Plan, workers: int = 1, device: str = "cpu") -> None:
    """Carry out every run of the plan that is not done, `workers` at a time, each with one thread of the CPU.

    Two processes of one thread use two cores better than one of two; on a GPU several keep it busy, since networks as
    small as these wait for Python most of the time. Killing it loses at most half a minute of each run; calling it
    again resumes. A run that another process is at is left to it, and its end is awaited.

    Raises:
        RuntimeError: runs failed; the others are done.
        ValueError: no workers, a folder that cannot be written, a finished run that is not of this plan, or an engine
            that is for another device.
    """
    whole_number("workers", workers, 1)
    from book.studies import runs  # here, as it imports torch, which a list of what is done does not need

    runs.check_engine(plan, device)
    runs.check_folders(plan)
    left = [status.name for status in status(plan) if not status.done]
    busy: dict[str, subprocess.Popen] = {}
    failed, said = [], {}
    try:
        while left or busy:
            for name in list(left):
                if len(busy) == workers:
                    break
                if plan.result_file(name).exists():
                    left.remove(name)
                    _say(f"{name} done by another process")
                elif (who := _at_work(plan, name)) is not None:
                    if said.get(name) != who:
                        _say(who)
                    said[name] = who
                else:
                    left.remove(name)
                    busy[name] = _start_worker(plan, name, device)
                    _say(f"{name} started, log in {plan.work_folder(name) / 'log.txt'}")
            time.sleep(1.0)
            for name, process in list(busy.items()):
                if process.poll() is None:
                    continue
                del busy[name]
                if process.returncode == locks.TRY_LATER:  # another process was faster
                    left.append(name)
                    _say(f"{name}: another process was faster, its end is awaited")
                    continue
                failed += [name] if process.returncode else []
                _say(f"{name} {'FAILED, see its log' if process.returncode else 'done'}")
    finally:  # workers left alone would hold their runs against the next call
        for process in busy.values():
            process.terminate()
        for process in busy.values():
            process.wait()
    if failed:
        raise RuntimeError(f"{len(failed)} of the runs failed: {', '.join(failed)}; their logs say why")


def status(plan: Plan) -> list[RunStatus]:
    """How far each run of the plan is, in its order. ValueError where a finished one is damaged or not of this plan."""
    results.runs(plan.study)  # all that lie there are read, planned or not
    out = []
    for variant, seed in plan.runs():
        name = plan.run_name(variant, seed)
        optional = plan.is_optional(variant, seed)
        if (result := plan.result(variant, seed)) is not None:
            steps = result.steps
            out.append(RunStatus(name, steps, steps, result.seconds, True, optional, result.on_a_cpu))
            continue
        folder = plan.work_folder(name)
        devices = provenance.noted_before(folder, "devices") if (folder / "devices").exists() else []
        progress = _progress(plan.variants[variant].recipe, folder)
        out.append(RunStatus(name, *progress, False, optional, records.is_a_cpu(", ".join(devices))))
    return out


def _progress(recipe: Recipe, folder: Path) -> tuple[int, int, float]:
    """Steps done, steps in all and seconds of the run in `folder`; zeros where it has not begun or is damaged."""
    if not (folder / "state.pt").exists():
        return 0, 0, 0.0
    import torch

    try:
        state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
        total = recipe.epochs * recipe.steps_per_epoch(json.loads(state["run"])["images"])
        step, seconds = int(state["step"]), float(state["seconds"])
        return (step, total, seconds) if 0 <= step <= total and 0 <= seconds < math.inf else (0, 0, 0.0)
    except Exception:  # the run itself says in its log what is wrong with it
        return 0, 0, 0.0


def commands(plan: Plan, device: str | None = None) -> list[str]:
    """A shell command for each run that is not done; each of them may be carried out on another machine."""
    words = ["--device", device] if device else []
    left = [status.name for status in status(plan) if not status.done]
    return [shlex.join(["python", "-m", "book.studies", plan.study, "--run", name, *words]) for name in left]


def merge(plan: Plan, data: Path) -> Iterator[str]:
    """Copy what another checkout's runs of this plan left in its folder `data`, where it is missing here.

    Gives a line for each run that it copies. What is here stays: a run that was done twice with other metrics has a
    line too. Nothing is copied of a run whose files are damaged, incomplete or of another plan; ValueError names these
    at the end.
    """
    results, weights = data / "results" / plan.study, data / "checkpoints" / plan.study
    if not results.is_dir():
        raise ValueError(f"{data} has no folder results/{plan.study}: name the folder data of another checkout")
    planned, refused = {plan.run_name(*run): run for run in plan.runs()}, []
    for file in sorted(results.glob("*.json")):
        name, folder = file.stem, plan.work_folder(file.stem)
        try:
            variant, seed = planned[one_of("run", name, planned)]
            theirs, ours = files.load_run(file), plan.result(variant, seed)
            plan.require_planned(theirs)
            if changed := plan.changed(theirs):
                raise ValueError(f"{file} was trained with another {', '.join(changed)} than the plan {plan.study} has")
            if ours is not None:
                keys = sorted({*ours.metrics, *theirs.metrics})
                if other := [key for key in keys if ours.metrics.get(key) != theirs.metrics.get(key)]:
                    which = f"{', '.join(other[:3])}{' …' if other[3:] else ''}"
                    yield f"{name} was done twice, with other metrics ({which}): the one here is kept"
                continue
            copies = {results / f"{name}.npz": plan.result_file(name).with_suffix(".npz")}
            if plan.keeps_weights(variant, seed):
                copies[weights / f"{name}.safetensors"] = plan.weights_file(name)
            copies[file] = plan.result_file(name)  # the last one: where it stands, a run is done
            if missing := [str(source) for source in copies if not source.is_file()]:
                raise ValueError(f"{name} lacks {', '.join(missing)}")
            for source in copies:
                _require_whole(source)
            folder.mkdir(parents=True, exist_ok=True)
            with locks.only_one(folder, f"run {name}"):
                for source, target in copies.items():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with paths.replacing(target) as temporary:
                        shutil.copyfile(source, temporary)
            yield f"{name} copied"
        except (ValueError, locks.Busy) as error:
            refused.append(str(error))
    if refused:
        raise ValueError(f"{len(refused)} of the runs were not copied: {'; '.join(refused)}")


def _require_whole(file: Path) -> None:
    """ValueError where a file of arrays or of weights was cut off or garbled."""
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                dict(arrays)  # reads all of them, and their checksums
        elif file.suffix == ".safetensors":
            with safe_open(file, "np"):  # reads their description, and compares it with the file's length
                pass
    except Exception as error:
        raise ValueError(f"{file} is damaged: copy it again, or carry out its run again") from error


def hours_left(plan: Plan, statuses: list[RunStatus]) -> tuple[float, bool] | None:
    """One thread's hours that the unfinished runs still take; None as long as nothing has run.

    What ran on a GPU tells nothing of a CPU's hours. A run that has not begun is taken to cost what another seed of the
    same network costs. For a network that has never run it is taken from the others by multiply-adds; then the second
    value is True: the hours are a guess.
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
    return costs.multiply_adds(table, variant.side) * recipe.epochs


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


def _at_work(plan: Plan, name: str) -> str | None:
    """What is to be said of another process that is at a run; None where there is none."""
    folder = plan.work_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locks.only_one(folder, f"run {name}"):
            return None
    except locks.Busy as error:
        return str(error)


def _start_worker(plan: Plan, name: str, device: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DRN_PROGRESS": "0"}
    command = [sys.executable, "-m", "book.studies", plan.study, "--run", name, "--device", device, "--of-a-pool"]
    with open(plan.work_folder(name) / "log.txt", "a", encoding="utf-8") as log:
        # Nothing is written to its input: that it ends tells the worker that this process has ended, however it did.
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
