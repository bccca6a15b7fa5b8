"""Training of a classifier, on images in memory or read from files; the loop is `loop`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from drn_lib.checkpoints.weights import load_weights
from drn_lib.checks import LAST_SEED, one_of, whole_number
from drn_lib.datasets.base import ImageDataset
from drn_lib.distributed import Group, join
from drn_lib.images import normalize
from drn_lib.network import Network, create_model, fingerprint
from drn_lib.training import loop, starts
from drn_lib.training.batches import Source, from_files, from_memory
from drn_lib.training.loop import DEFAULTS, RunOptions, Task, Trained
from drn_lib.training.recipes import ClassificationRecipe
from drn_lib.training.state import momentum_sgd


@dataclass(frozen=True)
class Init:
    """How a network is made before its first step.

    dilation_rule   as `create_model` takes it
    weights         to start from instead of fresh ones, as `load_weights` takes them; a ResNet's may start its dilated
                    twin
    head            "strict" wants the classifier of these weights to fit; "drop" starts with a classifier of zeros, for
                    other classes: random weights would be large for few classes, and larger in one network's scale of
                    features than in another's
    tail            how levels 7 and 8 begin where they have no residual links: one of `starts.TAILS`
    """

    dilation_rule: str | None = None
    weights: str | Path | None = None
    head: str = "strict"
    tail: str = "fresh"

    def __post_init__(self) -> None:
        one_of("start of the tail", self.tail, starts.TAILS)
        if self.weights is not None and self.tail != "fresh":
            raise ValueError(f"a network that begins from weights has a tail already: leave out tail={self.tail!r}")


FRESH = Init()


def train(
    recipe: ClassificationRecipe,
    name: str,
    seed: int,
    train_set: tuple[Tensor | Callable[[int], Tensor], Tensor],
    num_classes: int,
    val_set: tuple[Tensor, Tensor] | None = None,
    init: Init = FRESH,
    options: RunOptions = DEFAULTS,
) -> Trained:
    """Train the network `name` by `recipe` on images in memory, or resume where a run in `options.folder` stopped.

    Args:
        name: one of `list_models()`, `list_ablations()` or `list_remedies()`.
        seed: of weights, order and augmentation.
        train_set: images uint8 (N, 3, H, W) and labels (N,); images that are rendered again for every epoch are a
            function from the epoch, counted from 0, to such images.
        num_classes: of the classifier.
        val_set: images and labels that are scored after each epoch; never used for a gradient.

    Raises:
        ValueError: labels out of range, weights that do not fit, a tail that cannot start so, a loss that is not
            finite, or the folder holds another run's state.
        ProcessEnded: another process of a distributed training run ended.
    """
    seed = whole_number("seed", seed, 0, LAST_SEED)
    source = from_memory(recipe, train_set, num_classes, val_set)
    group = join(options.device)
    torch.manual_seed(seed)
    model = create_model(name, num_classes, recipe.width, init.dilation_rule)
    more = {}
    if init.weights is not None:
        load_weights(model, init.weights, head=init.head)
        if init.head == "drop":
            for parameter in model.classifier.parameters():
                nn.init.zeros_(parameter)
        more = {"start": str(init.weights), "beginning": fingerprint(model)}
        more.update({"head": init.head} if init.head != "strict" else {})
    starts.begin(model, init.tail)
    more.update({"tail": init.tail} if init.tail != "fresh" else {})
    if options.folder is not None:
        images, labels = train_set
        more["data"] = _fingerprint(labels if callable(images) else images, labels)
    task = classification_task(recipe, model, seed, source, group, more)
    if init.tail == "fading":
        task = replace(task, before_step=partial(starts.fade, model))
    return loop.run(task, model, group, options)


def train_from_files(
    recipe: ClassificationRecipe,
    name: str,
    seed: int,
    train_set: ImageDataset,
    val_set: ImageDataset | None = None,
    dilation_rule: str | None = None,
    options: RunOptions = DEFAULTS,
) -> Trained:
    """Train the network `name` by `recipe` on photographs that are read while it runs, or resume.

    Args:
        recipe: one that says how photographs are cropped, such as "imagenet".
        name, seed, options: as `train` takes them.
        train_set: with labels, of images of any size.
        val_set: scored after each epoch by one central crop; never used for a gradient.
        dilation_rule: as `create_model` takes it.

    Raises:
        ValueError: as `train`; no way to crop photographs in the recipe, or fewer validation images than processes.
        DataError: an image is missing or damaged.
        ProcessEnded: another process of a distributed training run ended.
    """
    seed = whole_number("seed", seed, 0, LAST_SEED)
    source = from_files(recipe, train_set, val_set, options.workers)
    group = join(options.device)
    if val_set is not None:
        group.places(len(val_set))  # raises before an epoch is spent
    torch.manual_seed(seed)
    model = create_model(name, source.num_classes, recipe.width, dilation_rule)
    more = {}
    if options.folder is not None:
        more = {"classes": list(train_set.classes), "data": _names_fingerprint(train_set)}
    return loop.run(classification_task(recipe, model, seed, source, group, more), model, group, options)


def classification_task(
    recipe: ClassificationRecipe, model: Network, seed: int, source: Source, group: Group, more: dict | None = None
) -> Task:
    """What the loop needs to train a classifier on `source`; `more` adds entries to the run's identity."""

    def loss(logits: Tensor, labels: Tensor, size: int) -> Tensor:
        # The processes' gradients are averaged: by its weight each image of the batch counts the same.
        return len(labels) * group.world / size * nn.functional.cross_entropy(logits, labels)

    def optimizer(placed: nn.Module) -> torch.optim.Optimizer:
        return momentum_sgd(placed, [{"params": list(placed.parameters())}], recipe)

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
