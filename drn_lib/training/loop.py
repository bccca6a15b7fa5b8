"""The one loop of all training runs: `classification` and `segmentation.training` give it a `Task`.

Nothing in it depends on when it was interrupted: the order of the images, their crops and mirrorings and the learning
rate are pure functions of (seed, epoch, index) or of the step, so the state to save is weights, momentum and the step.
A run killed at any moment and started again ends, on a CPU, with bit-identical weights.

Several processes (torchrun) share each batch by DistributedDataParallel: see `distributed`. On a GPU the images lie in
memory channels last, and the forward pass runs in bfloat16 or float16 where the hardware has it, unless full precision
is asked for; on a CPU neither is done: many emulate bfloat16 30 times slower, and torch 2.14.1's backward pass of small
channels-last convolutions corrupts memory.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from drn_lib.distributed import Group, abort_all_on_failure, raise_on_all_ranks, synchronize_norms
from drn_lib.paths import replacing
from drn_lib.training.batches import BatchPlan
from drn_lib.training.logs import Logs, progress_bar
from drn_lib.training.recipes import Recipe

STATE_EVERY_SECONDS = 30.0
"""How much work a killed process may lose."""


@dataclass
class Trained:
    """What a training run returns: the network, its curve (one row per epoch) and the seconds that its steps took."""

    model: nn.Module
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Task:
    """What is trained, and on what.

    title      for the progress bar
    recipe     how long, in which batches, at which learning rate
    seed       of the images' order
    images     in the training set
    identity   what makes a run this one: a saved state with another identity is refused
    batches    from a plan: images uint8 (n, 3, S, S) and their labels, for each of its steps
    inputs     those images as the network takes them, float (n, 3, S, S)
    loss       from logits, labels and the number of images in the batch of all processes: this process's part, such
               that the mean over the processes is the batch's loss
    score      the network after an epoch, whose number is given (from 1): metrics by name
    optimizer  for the network where it is trained; a parameter group's "factor" multiplies its learning rate
    """

    title: str
    recipe: Recipe
    seed: int
    images: int
    identity: dict
    batches: Callable[[BatchPlan], Iterator[tuple[Tensor, Tensor]]]
    inputs: Callable[[Tensor], Tensor]
    loss: Callable[[Tensor, Tensor, int], Tensor]
    score: Callable[[nn.Module, int], dict[str, float]]
    optimizer: Callable[[nn.Module], torch.optim.Optimizer]


@dataclass(frozen=True)
class RunOptions:
    """Where and how a recipe is carried out, which changes nothing about what is learned but rounding.

    folder            where the state and the logs are kept; without it nothing is saved
    device            "cpu" or "cuda"
    workers           processes that read and crop files, for each process that trains; 0 does it in that one
    sync_batch_norm   normalize by the statistics of all processes' images together (SyncBatchNorm); only on GPUs
    tensorboard       write TensorBoard's files into `folder`
    full_precision    compute in float32 on a GPU too
    max_steps         stop after that many steps of the schedule, to measure times; a later call resumes
    """

    folder: str | Path | None = None
    device: str | torch.device = "cpu"
    workers: int = 0
    sync_batch_norm: bool = False
    tensorboard: bool = False
    full_precision: bool = False
    max_steps: int | None = None


DEFAULTS = RunOptions()


@dataclass
class State:
    """All that changes during a run, and that its state file holds; `losses` are the unfinished epoch's."""

    result: Trained
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    losses: list[float] = field(default_factory=list)

    def restore(self, file: Path | None, identity: dict) -> None:
        """Continue from a saved state, where there is one.

        Raises:
            ValueError: the file cannot be read, or belongs to a run with another identity.
        """
        if file is None or not file.exists():
            return
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            saved = json.loads(state["run"])
        except Exception as error:
            raise ValueError(f"{file} cannot be read ({error}); delete it to start this run again") from error
        if saved != identity:
            changed = [key for key in {**identity, **saved} if saved.get(key) != identity.get(key)]
            raise ValueError(f"{file} belongs to another run (different {', '.join(changed)}); use another folder")
        self.result.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:  # empty where the last sitting needed none: on a CPU, or in bfloat16
            self.scaler.load_state_dict(state["scaler"])
        self.result.curve, self.result.seconds = state["curve"], state["seconds"]
        self.step, self.losses = state["step"], state["losses"]

    def save(self, file: Path, identity: dict) -> None:
        """Write a temporary file, then move it to its place: a reader sees the old or the new state, never half."""
        file.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "run": json.dumps(identity),
            "model": self.result.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "losses": self.losses,
            "curve": self.result.curve,
            "seconds": self.result.seconds,
        }
        with replacing(file) as temporary:
            torch.save(state, temporary)

    def update(self, loss: Tensor, rate: float) -> None:
        """One step of the optimizer; `rate` is multiplied by a parameter group's "factor"."""
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate * parameters.get("factor", 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1

    def end_epoch(self, epoch: int, metrics: dict[str, float]) -> dict[str, float]:
        """Add a row to the curve, and return it."""
        row = {"epoch": epoch, "train_loss": round(float(np.mean(self.losses)), 5), **metrics}
        self.result.curve.append(row)
        self.losses = []
        return row


def run(task: Task, model: nn.Module, group: Group, options: RunOptions = DEFAULTS) -> Trained:
    """Train the network, or resume where a run in the folder stopped.

    Args:
        model: the network as it starts; it is trained itself, and is in eval mode afterwards.
        group: this process, of `distributed.join`.

    Raises:
        ValueError: the folder holds another run's state, TensorBoard wanted but not installed, `sync_batch_norm` on a
            CPU, too many processes, or a loss that is not finite.
        ProcessEnded: another process of a distributed training run ended.
    """
    model = model.to(group.device)
    if options.sync_batch_norm:
        model = synchronize_norms(model, group.device)
    if group.device.type == "cuda":
        model = model.to(memory_format=torch.channels_last)
    replica = nn.parallel.DistributedDataParallel(model) if group.world > 1 else model
    precision = None if options.full_precision else half_precision(group.device)
    scaler = torch.amp.GradScaler(group.device.type, enabled=precision is torch.float16)
    state, recipe = State(Trained(model), task.optimizer(model), scaler), task.recipe

    # Both change what batch normalization sees, so a run cannot resume with others.
    identity = {**task.identity, **({"processes": group.world} if group.world > 1 else {})}
    identity.update({"synchronize": True} if options.sync_batch_norm else {})
    folder = Path(options.folder) if options.folder is not None else None
    state_file = folder / "state.pt" if folder is not None else None
    with raise_on_all_ranks(group):
        state.restore(state_file, identity)
        plan = BatchPlan(task.images, recipe.batch_size, recipe.epochs, task.seed, group.rank, group.world, state.step)
    if group.sum(torch.tensor(float(state.step), device=group.device)) != state.step * group.world:
        raise ValueError(f"not all processes find the same state at {state_file}: it must lie where all can read it")

    total_steps = recipe.epochs * plan.steps_per_epoch
    last_step = total_steps if options.max_steps is None else min(options.max_steps, total_steps)
    logs = Logs(folder if group.leads else None, state.result.curve, options.tensorboard and group.leads)
    bar = progress_bar(task.title, state.step, last_step, group.leads)
    last_save = last_tick = time.monotonic()
    with abort_all_on_failure(group, folder, state_file):
        batches = task.batches(plan)
        while state.step < last_step:
            rate = recipe.learning_rate(state.step, total_steps)
            loss = batch_loss(task, replica, *next(batches), plan.size(state.step), precision, group.device)
            state.update(loss, rate)
            state.losses.append(group.mean(loss).item())
            with raise_on_all_ranks(group):
                check_finite(state.losses[-1], state.step, rate)
            bar.update()

            if state.step % plan.steps_per_epoch == 0:
                group.share_buffers(model)
                epoch = state.step // plan.steps_per_epoch
                bar.set_postfix(state.end_epoch(epoch, task.score(model, epoch)))
                logs.epoch(state.result.curve, rate)
            now = time.monotonic()
            state.result.seconds += now - last_tick
            last_tick = now
            if state_file and group.leads and (state.step == last_step or now - last_save > STATE_EVERY_SECONDS):
                state.save(state_file, identity)
                last_save = now
    bar.close()
    logs.close()
    model.eval()
    return state.result


def batch_loss(
    task: Task,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    size: int,
    precision: torch.dtype | None,
    device: torch.device,
) -> Tensor:
    """The loss of this process's images uint8 (n, 3, S, S), in training mode; `size` is the whole batch's."""
    model.train()
    images, labels = (tensor.to(device, non_blocking=True) for tensor in (images, labels))
    x = task.inputs(images)
    if device.type == "cuda":
        x = x.contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, dtype=precision or torch.bfloat16, enabled=precision is not None):
        return task.loss(model(x), labels, size)


def half_precision(device: torch.device) -> torch.dtype | None:
    """bfloat16 or float16 where a GPU computes in it; None on a CPU, many of which emulate bfloat16 30 times slower."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def check_finite(loss: float, step: int, rate: float) -> None:
    """Stop a run that has diverged before its state is saved over the last good one.

    Raises:
        ValueError: the loss is infinite or not a number.
    """
    if not math.isfinite(loss):
        raise ValueError(
            f"the loss of step {step} is {loss}, at a learning rate of {rate:g}: the training has diverged; "
            "choose a smaller rate, and another folder or none"
        )
