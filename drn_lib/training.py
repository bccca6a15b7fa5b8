"""One training loop for every classifier of the book.

Nothing in it depends on when it was interrupted: the order of the images, their crops and mirrorings and the
learning rate are pure functions of (seed, epoch, index) or of the step, so the state to save is weights,
momentum and the step. A run killed at any moment and started again ends, on a CPU, with bit-identical weights.

Several processes (torchrun) share each batch by DistributedDataParallel; on a GPU the forward pass runs in
bfloat16 or float16 where the hardware has it.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm  # not tqdm.auto: it warns in every notebook without ipywidgets

from drn_lib.evaluation import enlarge, normalize, predict, topk_error
from drn_lib.network import create_model
from drn_lib.paths import replacing
from drn_lib.recipes import Recipe

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
    images: Tensor,
    labels: Tensor,
    num_classes: int,
    tune_images: Tensor | None = None,
    tune_labels: Tensor | None = None,
    dilation_rule: str | None = None,
    folder: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> Trained:
    """Train the network `name` by `recipe`, or go on where a run in `folder` stopped.

    Args:
        recipe: see `recipes.Recipe`.
        name: a network of `list_models()`.
        seed: of weights, order and augmentation.
        images, labels: the training set, uint8 (N, 3, H, W) and integers (N,).
        num_classes: of the classifier.
        tune_images, tune_labels: scored after each epoch; never used for a gradient.
        dilation_rule: as `create_model` takes it.
        folder: where the state is kept; without it nothing is saved.
        device: "cpu" or "cuda".

    Raises:
        ValueError: labels out of range, or `folder` holds another run's state.
    """
    if int(labels.min()) < 0 or int(labels.max()) >= num_classes:
        raise ValueError(f"training labels must lie in 0..{num_classes - 1}, found up to {int(labels.max())}")
    device = torch.device(device)
    rank, world = _process_group(device)
    torch.manual_seed(seed)
    model = create_model(name, num_classes, recipe.width, dilation_rule).to(device)
    replica = nn.parallel.DistributedDataParallel(model) if world > 1 else model
    optimizer = torch.optim.SGD(
        model.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    precision = _half_precision(device)
    scaler = torch.amp.GradScaler(device.type, enabled=precision is torch.float16)

    steps_per_epoch = recipe.steps_per_epoch(len(images))
    total_steps = recipe.epochs * steps_per_epoch
    result = Trained(model)
    run = {"recipe": recipe.as_dict(), "architecture": name, "seed": seed, "rule": model.table.dilation_rule}
    run["images"] = len(images)
    state_file = Path(folder) / "state.pt" if folder is not None else None
    step, losses = _restore(state_file, run, model, optimizer, scaler, result)

    bar = tqdm(
        total=total_steps, initial=step, desc=f"{name} seed {seed}", unit="step", disable=not _show_progress(rank)
    )
    last_save = last_tick = time.monotonic()
    order, order_epoch = None, None
    while step < total_steps:
        epoch, position = divmod(step, steps_per_epoch)
        if order_epoch != epoch:
            order, order_epoch = epoch_order(seed, epoch, len(images)), epoch
        indices = order[position * recipe.batch_size : (position + 1) * recipe.batch_size]
        own = indices[rank::world]
        batch = enlarge(augment(images[own], own, seed, epoch, recipe), recipe.image_size).to(device)
        target = labels[own].to(device)

        replica.train()
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate(step, total_steps)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=precision or torch.bfloat16, enabled=precision is not None):
            loss = nn.functional.cross_entropy(replica(normalize(batch)), target)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
        step += 1
        bar.update()

        if step % steps_per_epoch == 0:
            row = {"epoch": epoch + 1, "train_loss": round(float(np.mean(losses)), 5)}
            if tune_images is not None:
                row["tune_top1"] = round(topk_error(predict(model, tune_images, recipe.image_size), tune_labels), 3)
            result.curve.append(row)
            losses = []
            bar.set_postfix(row)
        now = time.monotonic()
        result.seconds += now - last_tick
        last_tick = now
        if state_file and rank == 0 and (step == total_steps or now - last_save > STATE_EVERY_SECONDS):
            _save(state_file, run, model, optimizer, scaler, step, losses, result)
            last_save = now
    bar.close()
    model.eval()
    return result


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """The order of `count` images in an epoch, (count,): a pure function of its arguments."""
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(count))


def augment(images: Tensor, indices: Tensor, seed: int, epoch: int, recipe: Recipe) -> Tensor:
    """Shift and mirror each image by a pure function of (seed, epoch, its index).

    Args:
        images: uint8 (N, 3, H, W).
        indices: (N,), the images' places in the training set.

    Returns:
        uint8 (N, 3, H, W): a random H x W window of the image with `crop_padding` reflected pixels around it.
    """
    pad = recipe.crop_padding
    height, width = images.shape[2:]
    padded = nn.functional.pad(images.float(), (pad, pad, pad, pad), mode="reflect").to(torch.uint8) if pad else images
    out = torch.empty_like(images)
    for row, index in enumerate(indices.tolist()):
        # +1 keeps these streams apart from epoch_order's, which has two numbers in its seed.
        random = np.random.default_rng([seed, epoch, index + 1])
        top, left = random.integers(0, 2 * pad + 1, 2)
        window = padded[row, :, top : top + height, left : left + width]
        out[row] = window.flip(2) if recipe.mirror and random.random() < 0.5 else window
    return out


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
        changed = [key for key in run if saved_run.get(key) != run[key]]
        raise ValueError(f"{state_file} belongs to another run (different {', '.join(changed)}); use another folder")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
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


def _show_progress(rank: int) -> bool:
    return rank == 0 and os.environ.get("DRN_PROGRESS") != "0"


def _process_group(device: torch.device) -> tuple[int, int]:
    """(rank, number of processes); joins the group that torchrun announces in the environment."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return 0, 1
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return torch.distributed.get_rank(), world


def _half_precision(device: torch.device) -> torch.dtype | None:
    """bfloat16 or float16 where a GPU computes in it; None on a CPU, many of which emulate bfloat16 30 times slower."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
