"""Training of a segmentation network on crops of full-size street scenes; the loop is `training.loop`.

Order, crop, mirroring, scale and rotation are pure functions of (seed, epoch, index). Where several processes share
a batch, the loss is the mean over all labelled pixels of the whole batch, wherever they are.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode, functional

from drn_lib.architecture import width_of
from drn_lib.checks import LAST_SEED, require_type, whole_number
from drn_lib.datasets.base import ImageDataset, mask_classes_of
from drn_lib.datasets.contract import IGNORE
from drn_lib.distributed import Group, join
from drn_lib.evaluation.confusion import require_class_count
from drn_lib.images import NORMALIZATION
from drn_lib.network import Network, fingerprint
from drn_lib.segmentation.network import SegmentationNetwork
from drn_lib.segmentation.scores import score_segmentation
from drn_lib.training import loop
from drn_lib.training.augmentation import image_stream
from drn_lib.training.batches import load_crops
from drn_lib.training.loop import DEFAULTS, RunOptions, Task, Trained
from drn_lib.training.recipes import SegmentationRecipe
from drn_lib.training.state import momentum_sgd

SHOWN = ("miou_present", "pixel_accuracy")
"""The scores of the validation images that the curve keeps."""


def train_segmentation(
    recipe: SegmentationRecipe,
    backbone: Network,
    seed: int,
    train_set: ImageDataset,
    val_set: ImageDataset | None = None,
    val_every: int = 1,
    options: RunOptions = DEFAULTS,
) -> Trained:
    """Train a segmentation network on `backbone`, or resume where a run in `options.folder` stopped.

    Args:
        recipe: its width must be the backbone's.
        backbone: where the network starts, of `segmentation.make_backbone`; it is copied.
        seed: of the classifier's weights, order and augmentation.
        train_set: with masks, images of any size.
        val_set: whole images, scored every `val_every` epochs and after the last; never used for a gradient.
        val_every: epochs from one scoring to the next.

    Returns:
        The network, a `SegmentationNetwork` in eval mode; its curve; and the seconds that its steps took.

    Raises:
        ValueError: the folder holds another run's state, a seed or `val_every` out of range, or more than 255
            classes, or a backbone of another width than the recipe's.
        DataError: a set has no masks, or an image or its labels are damaged.
        ProcessEnded: another process of a distributed training run ended.
    """
    whole_number("seed", seed, 0, LAST_SEED)
    whole_number("val_every", val_every, 1)
    require_type(recipe, SegmentationRecipe, "the recipe")
    require_type(backbone, Network, "the backbone")
    require_class_count(len(mask_classes_of(train_set)))
    if (width := width_of(backbone.table)) not in (recipe.width, None):
        raise ValueError(
            f"the backbone has width {width:g}, and the recipe {recipe.name} trains width {recipe.width:g}"
        )
    group = join(options.device)
    if val_set is not None:
        group.places(len(val_set))  # raises before an epoch is spent
    torch.manual_seed(seed)
    how = {"colors": recipe.colors, "enlarge": recipe.enlarge or 1}
    model = SegmentationNetwork(backbone, len(train_set.mask_classes), **how).to(group.device)
    table = backbone.table
    identity = {"recipe": recipe.as_dict(), "architecture": table.name, "seed": seed, "rule": table.dilation_rule}
    identity.update({"images": len(train_set), "beginning": fingerprint(backbone)})
    identity.update({"data": train_set.fingerprint} if options.folder is not None else {})

    def score(placed: nn.Module, epoch: int) -> dict[str, float]:
        if val_set is None or (epoch % val_every and epoch != recipe.epochs):
            return {}
        scores, _ = score_segmentation(placed, val_set, group=group)
        return {f"val_{name}": round(scores[name], 4) for name in SHOWN}

    task = Task(
        title=f"{table.name} seed {seed}",
        recipe=recipe,
        seed=seed,
        images=len(train_set),
        identity=identity,
        batches=partial(load_crops, partial(_crop, train_set, recipe), workers=options.workers),
        inputs=model.prepare,
        loss=lambda logits, masks, size: mean_over_labelled(logits, masks, group),
        score=score,
        optimizer=lambda placed: _optimizer(placed, recipe),
    )
    trained = loop.run(task, model, group, options)
    trained.model.backbone.classes = list(train_set.mask_classes)
    return trained


def training_crop(
    image: Tensor, mask: Tensor, seed: int, epoch: int, index: int, recipe: SegmentationRecipe
) -> tuple[Tensor, Tensor]:
    """A square of an image and its mask, resized, turned and mirrored as the recipe says.

    Args:
        image: uint8 (3, H, W).
        mask: int64 (H, W).
        index: the image's place in the training set.

    Returns:
        uint8 (3, crop, crop) and int64 (crop, crop), ignored where it lies outside the image.
    """
    random = image_stream(seed, epoch, index)
    empty = [round(255.0 * value) for value in NORMALIZATION[recipe.colors][0]]  # the mean color: zero to the network
    if recipe.scale > 1.0:
        factor = recipe.scale ** random.uniform(-1.0, 1.0)
        size = [max(1, round(factor * side)) for side in mask.shape]
        image = functional.resize(image, size, antialias=True)
        mask = functional.resize(mask[None], size, InterpolationMode.NEAREST_EXACT)[0]
    if recipe.rotation > 0.0:
        angle = random.uniform(-recipe.rotation, recipe.rotation)
        image = functional.rotate(image, angle, InterpolationMode.BILINEAR, fill=empty)
        mask = functional.rotate(mask[None].byte(), angle, InterpolationMode.NEAREST, fill=IGNORE)[0].long()
    crop = torch.tensor(empty, dtype=torch.uint8).view(3, 1, 1).repeat(1, recipe.crop, recipe.crop)
    labels = torch.full((recipe.crop, recipe.crop), IGNORE)
    (top, to_top, rows), (left, to_left, columns) = (_place(random, side, recipe.crop) for side in mask.shape)
    there = slice(to_top, to_top + rows), slice(to_left, to_left + columns)
    crop[:, there[0], there[1]] = image[:, top : top + rows, left : left + columns]
    labels[there] = mask[top : top + rows, left : left + columns]
    if recipe.mirror and random.random() < 0.5:
        return crop.flip(2), labels.flip(1)
    return crop, labels


def _place(random: np.random.Generator, side: int, crop: int) -> tuple[int, int, int]:
    """Along one axis: where the window starts in the image, where in the crop, and how many pixels it has."""
    spare = side - crop
    start = int(random.integers(0, abs(spare) + 1))
    return (start, 0, crop) if spare >= 0 else (0, start, side)


def _optimizer(model: SegmentationNetwork, recipe: SegmentationRecipe) -> torch.optim.Optimizer:
    head = list(model.backbone.classifier.parameters())
    rest = [parameter for parameter in model.parameters() if all(parameter is not other for other in head)]
    groups = [{"params": rest, "factor": 1.0}, {"params": head, "factor": recipe.head_factor}]
    return momentum_sgd(model, groups, recipe)


def mean_over_labelled(logits: Tensor, masks: Tensor, group: Group) -> Tensor:
    """The cross entropy of logits (n, classes, S, S) over the labelled pixels of masks (n, S, S).

    Gradients are averaged over processes, so each divides its sum by the mean number of labeled pixels per process.
    """
    total = nn.functional.cross_entropy(logits, masks, ignore_index=IGNORE, reduction="sum")
    labelled = group.mean((masks != IGNORE).sum().float())
    return total / labelled.clamp(min=1.0)  # a batch without a labelled pixel gives no gradient, not NaN


def _crop(images: ImageDataset, recipe: SegmentationRecipe, seed: int, epoch: int, index: int) -> tuple[Tensor, Tensor]:
    sample = images[index]
    return training_crop(sample["image"], sample["mask"], seed, epoch, index, recipe)
