"""A plan's runs, carried out by any number of resumable workers, and how far they are.

python -m book.studies first_networks --workers 2      # resumes where it stopped
python -m book.studies first_networks --status         # done, left, hours left
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import torch

from book.studies import files
from book.studies.plans import Plan, Variant
from drn_lib import costs
from drn_lib.architecture import architecture, scale_width


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
