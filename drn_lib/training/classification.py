"""Training of a classifier, on images in memory or read from files; the loop is `training_loop`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from drn_lib.checkpoints.weights import load_weights
from drn_lib.datasets.base import ImageDataset
from drn_lib.distributed import Group, join
from drn_lib.images import normalize
from drn_lib.network import Network, create_model, fingerprint
from drn_lib.training import loop
from drn_lib.training.batches import Source, from_files, from_memory
from drn_lib.training.loop import Task, Trained
from drn_lib.training.recipes import Recipe


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
        ValueError: labels out of range, weights that do not fit, a loss that is not finite, or `folder` holds another
            run's state.
        ProcessEnded: another process of a distributed training ended.
    """
    source = from_memory(recipe, images, labels, num_classes, tune_images, tune_labels)
    group = join(device)
    torch.manual_seed(seed)
    model = create_model(name, num_classes, recipe.width, dilation_rule)
    more = {}
    if start is not None:
        load_weights(model, start, head=head)
        if head == "drop":
            for parameter in model.classifier.parameters():
                nn.init.zeros_(parameter)
        more = {"start": str(start), "beginning": fingerprint(model), **({"head": head} if head != "strict" else {})}
    if folder is not None:
        more["data"] = _fingerprint(labels if callable(images) else images, labels)
    task = classification_task(recipe, model, seed, source, group, more)
    return loop.run(task, model, group, folder, full_precision=full_precision)


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
        ValueError: as `train`; no way to crop photographs in the recipe, TensorBoard wanted but not installed,
            `synchronize` on a CPU, or fewer validation images than processes.
        DataError: an image is missing or damaged.
        ProcessEnded: another process of a distributed training ended.
    """
    source = from_files(recipe, train_set, val_set, workers)
    group = join(device)
    if val_set is not None:
        group.check_share(len(val_set))
    torch.manual_seed(seed)
    model = create_model(name, source.num_classes, recipe.width, dilation_rule)
    more = {"classes": list(train_set.classes), "data": _names_fingerprint(train_set)} if folder is not None else {}
    task = classification_task(recipe, model, seed, source, group, more)
    return loop.run(task, model, group, folder, synchronize, tensorboard)


def classification_task(
    recipe: Recipe, model: Network, seed: int, source: Source, group: Group, more: dict | None = None
) -> Task:
    """What the loop needs to train a classifier on `source`; `more` is what its run is known by beside the usual."""

    def loss(logits: Tensor, labels: Tensor, size: int) -> Tensor:
        # The processes' gradients are averaged: by its weight each image of the batch counts the same.
        return len(labels) * group.world / size * nn.functional.cross_entropy(logits, labels)

    def optimizer(placed: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            placed.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )

    table = model.table
    identity = {"recipe": recipe.as_dict(), "architecture": table.name, "seed": seed, "rule": table.dilation_rule}
    identity.update({"images": source.images, **(more or {})})
    return Task(
        title=f"{table.name} seed {seed}",
        recipe=recipe,
        seed=seed,
        images=source.images,
        identity=identity,
        batches=source.batches,
        inputs=normalize,
        loss=loss,
        score=lambda placed, epoch: source.score(placed, group),
        optimizer=optimizer,
    )


def _fingerprint(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().cpu().numpy())
    return digest.hexdigest()


def _names_fingerprint(dataset: ImageDataset) -> str:
    """sha256 (hex) over the names and labels of all images: their files are too many to be read for it."""
    text = "".join(f"{name}\t{label}\n" for name, label in zip(dataset.names, dataset.labels, strict=True))
    return hashlib.sha256(text.encode()).hexdigest()
