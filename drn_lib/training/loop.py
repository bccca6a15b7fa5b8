"""The one loop of all trainings: `training` gives it a classifier, `segmentation_training` a segmentation network.

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

from drn_lib.distributed import Group, one_ends_all, said_by_one, synchronize_norms
from drn_lib.paths import replacing
from drn_lib.training.batches import BatchPlan
from drn_lib.training.logs import Logs, progress_bar
from drn_lib.training.recipes import AnyRecipe

STATE_EVERY_SECONDS = 30.0
"""How much work a killed process may lose."""


@dataclass
class Trained:
    """What a training returns: the network, its curve (one row per epoch) and the seconds that its steps took."""

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
    identity   what makes a run this one: a saved state with another identity is not gone on from
    batches    from a plan: images uint8 (n, 3, S, S) and their labels, for each of its steps
    inputs     those images as the network takes them, float (n, 3, S, S)
    loss       from logits, labels and the number of images in the batch of all processes: this process's part, such
               that the mean over the processes is the batch's loss
    score      the network after an epoch, whose number is given (from 1): metrics by name
    optimizer  for the network where it is trained; a parameter group's "factor" multiplies its learning rate
    """

    title: str
    recipe: AnyRecipe
    seed: int
    images: int
    identity: dict
    batches: Callable[[BatchPlan], Iterator[tuple[Tensor, Tensor]]]
    inputs: Callable[[Tensor], Tensor]
    loss: Callable[[Tensor, Tensor, int], Tensor]
    score: Callable[[nn.Module, int], dict[str, float]]
    optimizer: Callable[[nn.Module], torch.optim.Optimizer]


def run(
    task: Task,
    model: nn.Module,
    group: Group,
    folder: str | Path | None = None,
    synchronize: bool = False,
    tensorboard: bool = False,
    full_precision: bool = False,
    max_steps: int | None = None,
) -> Trained:
    """Train the network, or go on where a run in `folder` stopped.

    Args:
        model: the network as it begins; it is trained itself, and is in eval mode afterwards.
        group: this process, of `distributed.join`.
        folder: where the state and the logs are kept; without it nothing is saved.
        synchronize: normalize by the statistics of all processes' images together (SyncBatchNorm); GPUs alone.
        tensorboard: write TensorBoard's files into `folder`.
        full_precision: compute in float32 on a GPU too.
        max_steps: stop after that many steps of the schedule; a later call goes on.

    Raises:
        ValueError: `folder` holds another run's state, TensorBoard wanted but not installed, `synchronize` on a CPU,
            too many processes, or a loss that is not finite.
        ProcessEnded: another process of a distributed training ended.
    """
    model = model.to(group.device)
    if synchronize:
        model = synchronize_norms(model, group.device)
    if group.device.type == "cuda":
        model = model.to(memory_format=torch.channels_last)
    replica = nn.parallel.DistributedDataParallel(model) if group.world > 1 else model
    optimizer = task.optimizer(model)
    precision = None if full_precision else half_precision(group.device)
    scaler = torch.amp.GradScaler(group.device.type, enabled=precision is torch.float16)

    result, recipe = Trained(model), task.recipe
    # Both change what batch normalization sees, so a run cannot go on with others.
    identity = {**task.identity, **({"processes": group.world} if group.world > 1 else {})}
    identity.update({"synchronize": True} if synchronize else {})
    folder = Path(folder) if folder is not None else None
    state_file = folder / "state.pt" if folder is not None else None
    with said_by_one(group):
        step, losses = restore(state_file, identity, model, optimizer, scaler, result)
        plan = BatchPlan(task.images, recipe.batch_size, recipe.epochs, task.seed, group.rank, group.world, step)
    if group.sum(torch.tensor(float(step), device=group.device)) != step * group.world:
        raise ValueError(f"not all processes find the same state at {state_file}: it must lie where all can read it")

    total_steps = recipe.epochs * plan.steps_per_epoch
    last_step = total_steps if max_steps is None else min(max_steps, total_steps)
    logs = Logs(folder if group.leads else None, result.curve, tensorboard and group.leads)
    bar = progress_bar(task.title, step, last_step, group.leads)
    last_save = last_tick = time.monotonic()
    with one_ends_all(group, folder, state_file):
        batches = task.batches(plan)
        while step < last_step:
            images, labels = next(batches)
            rate = recipe.learning_rate(step, total_steps)
            for parameters in optimizer.param_groups:
                parameters["lr"] = rate * parameters.get("factor", 1.0)
            loss = batch_loss(task, replica, images, labels, plan.size(step), precision, group.device)
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(group.mean(loss).item())
            step += 1
            with said_by_one(group):
                check_finite(losses[-1], step, rate)
            bar.update()

            if step % plan.steps_per_epoch == 0:
                group.share_buffers(model)
                epoch = step // plan.steps_per_epoch
                row = {"epoch": epoch, "train_loss": round(float(np.mean(losses)), 5), **task.score(model, epoch)}
                result.curve.append(row)
                losses = []
                bar.set_postfix(row)
                logs.epoch(result.curve, rate)
            now = time.monotonic()
            result.seconds += now - last_tick
            last_tick = now
            if state_file and group.leads and (step == last_step or now - last_save > STATE_EVERY_SECONDS):
                save(state_file, identity, model, optimizer, scaler, step, losses, result)
                last_save = now
    bar.close()
    logs.close()
    model.eval()
    return result


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
    """Stop a training that has diverged before its state is saved over the last good one.

    Raises:
        ValueError: the loss is infinite or not a number.
    """
    if not math.isfinite(loss):
        raise ValueError(
            f"the loss of step {step} is {loss}, at a learning rate of {rate:g}: the training has diverged; "
            "choose a smaller rate, and another folder or none"
        )


def restore(state_file, identity, model, optimizer, scaler, result) -> tuple[int, list[float]]:
    """Load a saved state into the objects; (step, losses of the unfinished epoch), or (0, []) where there is none."""
    if state_file is None or not state_file.exists():
        return 0, []
    try:
        state = torch.load(state_file, map_location="cpu", weights_only=True)
        saved = json.loads(state["run"])
    except Exception as error:
        raise ValueError(f"{state_file} cannot be read ({error}); delete it to start this run again") from error
    if saved != identity:
        changed = [key for key in {**identity, **saved} if saved.get(key) != identity.get(key)]
        raise ValueError(f"{state_file} belongs to another run (different {', '.join(changed)}); use another folder")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    if state["scaler"]:  # empty where the last sitting needed none: on a CPU, or in bfloat16
        scaler.load_state_dict(state["scaler"])
    result.curve, result.seconds = state["curve"], state["seconds"]
    return state["step"], state["losses"]


def save(state_file, identity, model, optimizer, scaler, step, losses, result) -> None:
    """Write the whole state beside its place, then move it there: a reader sees the old or the new, never half."""
    state_file.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "run": json.dumps(identity),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "step": step,
        "losses": losses,
        "curve": result.curve,
        "seconds": result.seconds,
    }
    with replacing(state_file) as temporary:
        torch.save(state, temporary)
