"""The one loop of all training runs: `classification` and `segmentation.training` give it a `Task`.

Nothing in it depends on when it was interrupted: the order of the images, their crops and mirrorings and the learning
rate are pure functions of (seed, epoch, index) or of the step, so the state to save is weights, momentum and the step.
A run killed at any moment and started again ends, on a CPU, with bit-identical weights.

Several processes (torchrun) share each batch by DistributedDataParallel: see `distributed`. On a GPU the images lie in
memory channels last, and the forward pass runs in bfloat16 or float16 where the hardware has it, unless full precision
is asked for; on a CPU neither is done: many emulate bfloat16 30 times slower, and torch 2.14.1's backward pass of small
channels-last convolutions corrupts memory. There convolutions may be computed with fewer multiplications: see `fast`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from drn_lib import fast
from drn_lib.checks import LAST_SEED, one_of, path_of, require_device, whole_number
from drn_lib.distributed import Group, abort_all_on_failure, raise_on_all_ranks
from drn_lib.training.batches import BatchPlan
from drn_lib.training.logs import Logs, progress_bar, summary_writer
from drn_lib.training.recipes import ENGINES, Recipe
from drn_lib.training.state import State, Trained, diverged

STATE_EVERY_SECONDS = 30.0
"""Seconds of work that a kill may cost."""


@dataclass(frozen=True)
class Task:
    """What is trained, and on what.

    title        for the progress bar
    recipe       how long, in which batches, at which learning rate
    seed         of the images' order
    images       in the training set
    identity     what makes a run this one: a saved state with another identity is refused
    batches      from a plan: images uint8 (n, 3, S, S) and their labels, for each of its steps
    inputs       those images as the network takes them, float (n, 3, S, S)
    loss         from logits, labels and the number of images in the batch of all processes: this process's part, such
                 that the mean over the processes is the batch's loss
    score        the network after an epoch, whose number is given (from 1): metrics by name
    optimizer    for the network where it is trained; a parameter group's "factor" multiplies its learning rate
    before_step  what changes in the network before a step, by the step's number and that of all: a pure function of
                 both, so that a resumed run repeats it
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
    before_step: Callable[[int, int], None] = lambda step, steps: None


@dataclass(frozen=True)
class RunOptions:
    """Where and how a recipe is carried out, which changes nothing about what is learned but rounding.

    ValueError for what cannot be carried out here, so that it is said before data are opened.

    folder            where the state and the logs are kept; without it nothing is saved
    device            "cpu" or "cuda"
    workers           processes that read and crop files, for each process that trains; 0 does it in that one
    sync_batch_norm   normalize by the statistics of all processes' images together (SyncBatchNorm); only on GPUs
    tensorboard       write TensorBoard's files into `folder`
    full_precision    compute in float32 on a GPU too
    max_steps         stop after that many steps of the schedule, to measure times; a later call resumes
    engine            one of `recipes.ENGINES`: "fast" computes convolutions on a CPU as `drn_lib.fast` does
    """

    folder: str | Path | None = None
    device: str | torch.device = "cpu"
    workers: int = 0
    sync_batch_norm: bool = False
    tensorboard: bool = False
    full_precision: bool = False
    max_steps: int | None = None
    engine: str = "plain"

    def __post_init__(self) -> None:
        one_of("engine", self.engine, ENGINES)
        require_device(str(self.device))
        whole_number("workers", self.workers, 0)
        if self.folder is not None:
            path_of("folder", self.folder)
        if self.max_steps is not None:
            whole_number("max_steps", self.max_steps, 0)
        if self.sync_batch_norm and torch.device(self.device).type != "cuda":
            raise ValueError("batch normalization can be synchronized only on GPUs: leave that out")
        if self.tensorboard:
            summary_writer(self.folder)


DEFAULTS = RunOptions()


def run(task: Task, model: nn.Module, group: Group, options: RunOptions = DEFAULTS) -> Trained:
    """Train the network, or resume where a run in the folder stopped.

    Args:
        model: the network as it starts; it is trained itself, and is in eval mode afterwards.
        group: this process, of `distributed.join`.

    Raises:
        ValueError: the folder holds another run's state, too many processes, or a loss that is not finite.
        ProcessEnded: another process of a distributed training run ended.
    """
    whole_number("seed", task.seed, 0, LAST_SEED)
    model = model.to(group.device)
    if options.sync_batch_norm:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if group.device.type == "cuda":
        model = model.to(memory_format=torch.channels_last)
    if options.engine == "fast":
        fast.accelerate(model, quiet=not group.leads)
    replica = nn.parallel.DistributedDataParallel(model) if group.world > 1 else model
    precision = None if options.full_precision else half_precision(group.device)
    scaler = torch.amp.GradScaler(group.device.type, enabled=precision is torch.float16)
    engine = fast.identity(model)
    state, recipe = State(Trained(model, engine=engine), task.optimizer(model), scaler), task.recipe

    # A run cannot resume with others: the first two change what batch normalization sees, an engine the last bits.
    identity = {**task.identity, **({"processes": group.world} if group.world > 1 else {}), **engine}
    identity.update({"synchronize": True} if options.sync_batch_norm else {})
    folder = Path(options.folder) if options.folder is not None else None
    state_file = folder / "state.pt" if folder is not None else None
    with raise_on_all_ranks(group):
        plan = BatchPlan(task.images, recipe.batch_size, recipe.epochs, task.seed, group.rank, group.world)
        state.restore(state_file, identity, plan)
        plan = replace(plan, first_step=state.step)
    if group.sum(torch.tensor(float(state.step), device=group.device)) != state.step * group.world:
        raise ValueError(f"not all processes find the same state at {state_file}: it must lie where all can read it")

    total_steps = plan.steps
    last_step = total_steps if options.max_steps is None else min(options.max_steps, total_steps)
    logs = Logs(folder if group.leads else None, state.result.curve, options.tensorboard and group.leads)
    bar = progress_bar(task.title, state.step, last_step, group.leads)
    last_save = last_tick = time.monotonic()
    with abort_all_on_failure(group, folder, state_file):
        batches = task.batches(plan)
        while state.step < last_step:
            rate = recipe.learning_rate(state.step, total_steps)
            task.before_step(state.step, total_steps)
            loss = batch_loss(task, replica, *next(batches), plan.size(state.step), precision, group.device)
            state.update(loss, rate)
            state.losses.append(group.mean(loss).item())
            with raise_on_all_ranks(group):
                check_finite(state.losses[-1], state.step, rate)
            bar.update()

            if state.step % plan.steps_per_epoch == 0:
                group.share_buffers(model)
                epoch = state.step // plan.steps_per_epoch
                with raise_on_all_ranks(group):
                    state.check_finite(rate)
                bar.set_postfix(state.end_epoch(epoch, task.score(model, epoch)))
                logs.epoch(state.result.curve, rate)
            now = time.monotonic()
            state.result.seconds += now - last_tick
            last_tick = now
            if state.step == last_step or (state_file and group.leads and now - last_save > STATE_EVERY_SECONDS):
                with raise_on_all_ranks(group):
                    state.check_finite(rate)
                if state_file and group.leads:
                    state.save(state_file, identity)
                last_save = now
    bar.close()
    logs.close()
    fast.restore(model).eval()
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
    if not model.training:  # it goes through all modules
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
        raise diverged(f"the loss of step {step} is {loss}", rate)
