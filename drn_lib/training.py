"""One training loop for every classifier of the book.

Nothing in it depends on when it was interrupted: the order of the images, their crops and mirrorings and the
learning rate are pure functions of (seed, epoch, index) or of the step, so the state to save is weights,
momentum and the step. A run killed at any moment and started again ends, on a CPU, with bit-identical weights.

Several processes (torchrun) share each batch by DistributedDataParallel: see `distributed`. On a GPU the images lie
in memory channels last, and the forward pass runs in bfloat16 or float16 where the hardware has it, unless full
precision is asked for; on a CPU neither is done: many emulate bfloat16 30 times slower, and torch 2.14.1's backward
pass of small channels-last convolutions corrupts memory.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from drn_lib.batches import BatchPlan, Source, from_files, from_memory
from drn_lib.checkpoints import load_weights
from drn_lib.distributed import join, one_ends_all, synchronize_norms
from drn_lib.evaluation import normalize
from drn_lib.network import create_model, fingerprint
from drn_lib.paths import replacing
from drn_lib.recipes import Recipe
from drn_lib.samples import ImageDataset
from drn_lib.training_logs import Logs, progress_bar

STATE_EVERY_SECONDS = 30.0
"""How much work a killed process may lose."""


@dataclass
class Trained:
    """What `train` returns: the network, its curve (one row per epoch) and the seconds that its steps took."""

    model: nn.Module
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


def train(
    recipe: Recipe,
    name: str,
    seed: int,
    images: Tensor | Callable[[int], Tensor],
    labels: Tensor,
    num_classes: int,
    tune_images: Tensor | None = None,
    tune_labels: Tensor | None = None,
    dilation_rule: str | None = None,
    folder: str | Path | None = None,
    device: str | torch.device = "cpu",
    start: str | Path | None = None,
    head: str = "strict",
    full_precision: bool = False,
) -> Trained:
    """Train the network `name` by `recipe` on images in memory, or go on where a run in `folder` stopped.

    Args:
        recipe: see `recipes.Recipe`.
        name: a network of `list_models()`.
        seed: of weights, order and augmentation.
        images, labels: the training set, uint8 (N, 3, H, W) and integers (N,); images that are drawn anew for every
            epoch are a function from the epoch, counted from 0, to such a set.
        num_classes: of the classifier.
        tune_images, tune_labels: scored after each epoch; never used for a gradient.
        dilation_rule: as `create_model` takes it.
        folder: where the state is kept; without it nothing is saved.
        device: "cpu" or "cuda".
        start: weights to start from instead of fresh ones, as `load_weights` takes them; a ResNet's may start its
            dilated twin.
        head: "strict" wants the classifier of these weights to fit; "drop" begins with a classifier of zeros, for
            other classes: random weights would be large for few classes, and larger in one network's scale of
            features than in another's.
        full_precision: compute in float32 on a GPU too.

    Raises:
        ValueError: labels out of range, weights that do not fit, or `folder` holds another run's state.
        ProcessEnded: another process of a distributed training ended.
    """
    source = from_memory(recipe, images, labels, num_classes, tune_images, tune_labels)
    return _run(
        recipe, name, seed, source, dilation_rule, folder, device, start=start, head=head, full_precision=full_precision
    )


def train_from_files(
    recipe: Recipe,
    name: str,
    seed: int,
    train_set: ImageDataset,
    val_set: ImageDataset | None = None,
    dilation_rule: str | None = None,
    folder: str | Path | None = None,
    device: str | torch.device = "cpu",
    workers: int = 4,
    synchronize: bool = False,
    tensorboard: bool = False,
) -> Trained:
    """Train the network `name` by `recipe` on photographs that are read while it runs, or go on in `folder`.

    Args:
        recipe: one that says how photographs are cropped, such as "imagenet".
        name, seed, dilation_rule, folder, device: as `train` takes them.
        train_set: with labels, of images of any size.
        val_set: scored after each epoch by one central crop; never used for a gradient.
        workers: processes that read and crop, for each process that trains; 0 does it in that one.
        synchronize: normalize by the statistics of all processes' images together (SyncBatchNorm); GPUs alone.
        tensorboard: write TensorBoard's files into `folder`.

    Raises:
        ValueError: as `train`; no way to crop photographs in the recipe, TensorBoard wanted but not installed, or
            `synchronize` on a CPU.
        DataError: an image is missing or damaged.
        ProcessEnded: another process of a distributed training ended.
    """
    source = from_files(recipe, train_set, val_set, workers)
    return _run(recipe, name, seed, source, dilation_rule, folder, device, synchronize, tensorboard)


def _run(
    recipe: Recipe,
    name: str,
    seed: int,
    source: Source,
    dilation_rule: str | None,
    folder: str | Path | None,
    device: str | torch.device,
    synchronize: bool = False,
    tensorboard: bool = False,
    start: str | Path | None = None,
    head: str = "strict",
    full_precision: bool = False,
) -> Trained:
    """The loop that all trainings share."""
    group = join(device)
    torch.manual_seed(seed)
    model = create_model(name, source.num_classes, recipe.width, dilation_rule)
    if start is not None:
        load_weights(model, start, head=head)
        if head == "drop":
            for parameter in model.classifier.parameters():
                nn.init.zeros_(parameter)
        beginning = fingerprint(model)
    model = model.to(group.device)
    if synchronize:
        model = synchronize_norms(model, group.device)
    if group.device.type == "cuda":
        model = model.to(memory_format=torch.channels_last)
    replica = nn.parallel.DistributedDataParallel(model) if group.world > 1 else model
    optimizer = torch.optim.SGD(
        model.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    precision = None if full_precision else _half_precision(group.device)
    scaler = torch.amp.GradScaler(group.device.type, enabled=precision is torch.float16)

    result = Trained(model)
    run = {"recipe": recipe.as_dict(), "architecture": name, "seed": seed, "rule": model.table.dilation_rule}
    run["images"] = source.images
    # Both change what batch normalization sees, so a run cannot go on with others.
    run.update({"processes": group.world} if group.world > 1 else {})
    run.update({"synchronize": True} if synchronize else {})
    run.update({"start": str(start), "beginning": beginning} if start is not None else {})
    run.update({"head": head} if head != "strict" else {})
    folder = Path(folder) if folder is not None else None
    state_file = folder / "state.pt" if folder is not None else None
    step, losses = _restore(state_file, run, model, optimizer, scaler, result)

    plan = BatchPlan(source.images, recipe.batch_size, recipe.epochs, seed, group.rank, group.world, step)
    total_steps = recipe.epochs * plan.steps_per_epoch
    logs = Logs(folder if group.leads else None, result.curve, tensorboard and group.leads)
    bar = progress_bar(f"{name} seed {seed}", step, total_steps, group.leads)
    last_save = last_tick = time.monotonic()
    with one_ends_all(group, folder, state_file):
        for batch, target in source.batches(plan):
            for parameters in optimizer.param_groups:
                parameters["lr"] = recipe.learning_rate(step, total_steps)
            # The processes' gradients are averaged: by its weight each image of the batch counts the same.
            weight = len(target) * group.world / plan.size(step)
            loss = weight * _loss(replica, batch, target, precision, group.device)
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(group.mean(loss).item())
            step += 1
            bar.update()

            if step % plan.steps_per_epoch == 0:
                group.share_buffers(model)
                row = {"epoch": step // plan.steps_per_epoch, "train_loss": round(float(np.mean(losses)), 5)}
                row.update(source.score(model, group))
                result.curve.append(row)
                losses = []
                bar.set_postfix(row)
                logs.epoch(result.curve, recipe.learning_rate(step - 1, total_steps))
            now = time.monotonic()
            result.seconds += now - last_tick
            last_tick = now
            if state_file and group.leads and (step == total_steps or now - last_save > STATE_EVERY_SECONDS):
                _save(state_file, run, model, optimizer, scaler, step, losses, result)
                last_save = now
    bar.close()
    logs.close()
    model.eval()
    return result


def _loss(
    model: nn.Module, batch: Tensor, target: Tensor, precision: torch.dtype | None, device: torch.device
) -> Tensor:
    """The mean cross entropy of uint8 images (n, 3, H, W) with labels (n,), in training mode."""
    model.train()
    images = normalize(batch.to(device, non_blocking=True))
    if device.type == "cuda":
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, dtype=precision or torch.bfloat16, enabled=precision is not None):
        return nn.functional.cross_entropy(model(images), target.to(device, non_blocking=True))


def _restore(state_file, run, model, optimizer, scaler, result) -> tuple[int, list[float]]:
    """Load a saved state into the objects; (step, losses of the unfinished epoch), or (0, []) where there is none."""
    if state_file is None or not state_file.exists():
        return 0, []
    try:
        state = torch.load(state_file, map_location="cpu", weights_only=True)
        saved_run = json.loads(state["run"])
    except Exception as error:
        raise ValueError(f"{state_file} cannot be read ({error}); delete it to start this run again") from error
    if saved_run != run:
        changed = [key for key in {**run, **saved_run} if saved_run.get(key) != run.get(key)]
        raise ValueError(f"{state_file} belongs to another run (different {', '.join(changed)}); use another folder")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    if state["scaler"]:  # empty where the last sitting needed none: on a CPU, or in bfloat16
        scaler.load_state_dict(state["scaler"])
    result.curve, result.seconds = state["curve"], state["seconds"]
    return state["step"], state["losses"]


def _save(state_file, run, model, optimizer, scaler, step, losses, result) -> None:
    """Write the whole state beside its place, then move it there: a reader sees the old or the new, never half."""
    state_file.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "run": json.dumps(run),
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


def _half_precision(device: torch.device) -> torch.dtype | None:
    """bfloat16 or float16 where a GPU computes in it; None on a CPU, many of which emulate bfloat16 30 times slower."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
