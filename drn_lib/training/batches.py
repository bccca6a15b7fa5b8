"""Where the batches of a training run come from: a set in memory, or files that are read while it runs.

Which images make up which batch is one plan for both, a pure function of (seed, epoch, step). So a run resumes in
the middle of an epoch as if it had never stopped, whichever way its images come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from drn_lib.checks import require_class_numbers, require_type, whole_number
from drn_lib.datasets.base import ImageDataset
from drn_lib.distributed import Group
from drn_lib.evaluation.classification import evaluate_files, plain_data_errors, predict, topk_error
from drn_lib.images import enlarge
from drn_lib.training.augmentation import augment, epoch_order, training_crop
from drn_lib.training.recipes import ClassificationRecipe

Arrays = tuple[Tensor, Tensor]
"""Images uint8 (N, 3, H, W) and their labels (N,) or masks (N, H, W)."""


@dataclass(frozen=True)
class BatchPlan:
    """Which images each step of a training takes, and which of them fall to this process.

    images, batch_size, epochs   of all processes together
    rank, world                  this process takes every `world`-th image of a batch, starting with its `rank`-th
    first_step                   where a resumed run continues
    """

    images: int
    batch_size: int
    epochs: int
    seed: int
    rank: int = 0
    world: int = 1
    first_step: int = 0

    def __post_init__(self) -> None:
        smallest = min(self.batch_size, self.images % self.batch_size or self.batch_size)
        if smallest < self.world:
            raise ValueError(
                f"an epoch has a batch of {smallest} images for {self.world} processes: "
                "choose another batch size, or fewer processes"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch; the last one may be smaller."""
        return -(-self.images // self.batch_size)

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.epochs * self.steps_per_epoch

    def size(self, step: int) -> int:
        """Images in the batch of `step`, over all processes."""
        return min(self.batch_size, self.images - step % self.steps_per_epoch * self.batch_size)

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        """(epoch, this process's images of the batch as indices (n,)) of each step from `first_step` on."""
        order, order_epoch = None, None
        for step in range(self.first_step, self.steps):
            epoch, position = divmod(step, self.steps_per_epoch)
            if order_epoch != epoch:
                order, order_epoch = epoch_order(self.seed, epoch, self.images), epoch
            batch = order[position * self.batch_size : (position + 1) * self.batch_size]
            yield epoch, batch[self.rank :: self.world]


@dataclass(frozen=True)
class Source:
    """What a training run reads.

    images       in the training set
    num_classes  of its labels
    batches      from a plan: uint8 (n, 3, S, S) and labels (n,) of each of its steps
    score        of a network after an epoch, in a group of processes: metrics by name, {} where nothing is scored
    """

    images: int
    num_classes: int
    batches: Callable[[BatchPlan], Iterator[Arrays]]
    score: Callable[[nn.Module, Group], dict[str, float]]


def from_memory(
    recipe: ClassificationRecipe,
    train_set: tuple[Tensor | Callable[[int], Tensor], Tensor],
    num_classes: int,
    val_set: Arrays | None = None,
) -> Source:
    """A set held in memory, uint8 (N, 3, H, W) and (N,), and one to score after each epoch.

    Images that are rendered again for every epoch are a function from the epoch, counted from 0, to such images.

    Raises:
        ValueError: images or labels of another form, number or range.
    """
    require_type(recipe, ClassificationRecipe, "the recipe")
    for name, pair in (("train_set", train_set), ("val_set", val_set)):
        if pair is not None or name == "train_set":
            require_type(pair, (tuple, list), name)
            if len(pair) != 2:
                raise ValueError(f"{name} must be images and labels, not {len(pair)} values")
    images, labels = train_set
    require_type(labels, Tensor, "training labels")
    check_labels(labels, num_classes, "training")
    if not callable(images):
        check_images(images, len(labels), "training", recipe.crop_padding)
    if val_set is not None:
        require_type(val_set[1], Tensor, "validation labels")
        check_labels(val_set[1], num_classes, "validation")
        check_images(val_set[0], len(val_set[1]), "validation")

    def batches(plan: BatchPlan) -> Iterator[Arrays]:
        held, held_for = (None, None) if callable(images) else (images, None)
        for epoch, own in plan:
            if callable(images) and held_for != epoch:
                held, held_for = images(epoch), epoch
                check_images(held, len(labels), f"epoch {epoch + 1}'s", recipe.crop_padding)
            shown = augment(held.index_select(0, own), own, plan.seed, epoch, recipe)
            yield enlarge(shown, recipe.image_size), labels[own]

    def score(model: nn.Module, group: Group) -> dict[str, float]:
        if val_set is None:
            return {}
        return {"tune_top1": round(topk_error(predict(model, val_set[0], recipe.image_size), val_set[1]), 3)}

    return Source(len(labels), num_classes, batches, score)


def check_labels(labels: Tensor | Sequence[int], num_classes: int, part: str) -> None:
    """Raise ValueError where the labels of a part are not whole numbers of classes, one an image, or there are none."""
    whole_number("num_classes", num_classes, 1)
    labels = torch.as_tensor(labels)
    if labels.ndim != 1:
        raise ValueError(f"the {part} labels must be one number an image (N,), not {tuple(labels.shape)}")
    if not len(labels):
        raise ValueError(f"there are no {part} images")
    require_class_numbers(labels, num_classes, f"the {part} labels")


def check_images(images: Tensor, count: int, part: str, padding: int = 0) -> None:
    """Raise ValueError where the images of a part are not `count` of uint8 (N, 3, H, W), or too small to be padded."""
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        found = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"{part} images must be uint8 (N, 3, H, W), not {found}")
    if len(images) != count:
        raise ValueError(f"there are {len(images)} {part} images for {count} labels: each needs one")
    if (side := min(images.shape[2:])) <= padding:
        raise ValueError(f"crop_padding must be below the images' shorter side, {side}, not {padding}")


def from_files(
    recipe: ClassificationRecipe, train_set: ImageDataset, val_set: ImageDataset | None, workers: int
) -> Source:
    """Photographs of all sizes, decoded and cropped by `workers` further processes; 0: in this one.

    Raises:
        ValueError: the recipe does not say how photographs are cropped, or the two sets have other classes.
    """
    require_type(recipe, ClassificationRecipe, "the recipe")
    if recipe.shorter_side is None or recipe.smallest_area is None:
        raise ValueError(f"the recipe {recipe.name} has no shorter_side and smallest_area, which photographs need")
    if val_set is not None:
        require_same_classes(train_set, val_set)
    for part, images in (("training", train_set), ("validation", val_set)):
        if images is not None:
            if images.labels is None or len(images.labels) != len(images):
                raise ValueError(f"there are {len(images)} {part} images, which have not one label each")
            check_labels(images.labels, len(images.classes), part)

    def score(model: nn.Module, group: Group) -> dict[str, float]:
        if val_set is None:
            return {}
        metrics, _ = evaluate_files(
            model, val_set, recipe.shorter_side, recipe.image_size, workers=workers, group=group
        )
        return {f"val_{name}": round(value, 4) for name, value in metrics.items()}

    batches = partial(load_crops, partial(_photograph_crop, train_set, recipe), workers=workers)
    return Source(len(train_set), len(train_set.classes), batches, score)


def require_same_classes(train_set: ImageDataset, val_set: ImageDataset) -> None:
    """Raise ValueError where two parts have other classes, or the same ones in another order."""
    if list(val_set.classes) != list(train_set.classes):
        raise ValueError("the training images and the validation images have different classes: compare their folders")


def _photograph_crop(images: ImageDataset, recipe: ClassificationRecipe, seed: int, epoch: int, index: int):
    return training_crop(images.image(index), seed, epoch, index, recipe), images.labels[index]


def load_crops(crop: Callable, plan: BatchPlan, workers: int) -> Iterator[Arrays]:
    """The batches of a plan, read and cropped by `workers` further processes; 0: in this one.

    Args:
        crop: from (seed, epoch, index) to an image's crop uint8 (3, S, S) and its label or mask; to be pickled.
    """
    loader = DataLoader(
        _Crops(partial(crop, plan.seed)),
        batch_sampler=EpochIndexSampler(plan),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
    )
    with plain_data_errors():
        yield from loader


class _Crops(Dataset):
    """Asked for (epoch, index) it gives that image's crop in that epoch, and its label or mask."""

    def __init__(self, crop: Callable):
        self.crop = crop

    def __getitem__(self, place: tuple[int, int]) -> tuple[Tensor, int | Tensor]:
        return self.crop(*place)


class EpochIndexSampler:
    """A plan as a DataLoader wants it: for each batch the list of (epoch, index)."""

    def __init__(self, plan: BatchPlan):
        self.plan = plan

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch, own in self.plan:
            yield [(epoch, index) for index in own.tolist()]
