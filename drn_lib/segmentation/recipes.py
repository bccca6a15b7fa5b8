"""How a segmentation network is trained, as frozen data, in the manner of `recipes`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

from drn_lib.training.recipes import check_positive

SCHEDULES = ("poly", "poly-epochs", "step")
"""How the learning rate falls, by name:

``poly``          lr (1 - step / steps)^0.9, step by step (DeepLab)
``poly-epochs``   the same, but constant within an epoch: the released code
``step``          lr, a tenth after every `drop_every` epochs
"""

POWER = 0.9


@dataclass(frozen=True)
class SegmentationRecipe:
    """One way to train a segmentation network.

    dataset              as `open_dataset` takes it
    crop                 pixels a side of the square that is cut out of a full-size image; where the image is smaller,
                         the rest is the mean color, and ignored
    width                factor on all channels
    epochs, batch_size   the schedule's length is counted in steps: epochs * ceil(images / batch_size); several
                         processes share each batch
    lr, momentum, weight_decay   of plain SGD; weight decay acts on everything, as in the released code
    schedule             one of `SCHEDULES`
    drop_every           epochs, for the schedule "step"
    head_lr              of the 1x1 classifier; None: the same as the rest, as in the released code
    mirror               whether half of the training crops are mirrored
    scale                an image is resized by a factor from 1 / scale to scale before it is cropped, drawn evenly on
                         a logarithmic scale; 1 leaves it
    rotation             degrees by which it is turned at most, either way; what comes in from outside is ignored
    colors               how colors are normalized: one of `segmentation.COLORS`
    reduced              True for everything that is smaller than the paper's own recipe
    size                 pixels a side at which scenes are drawn; None for photographs, which have a size
    """

    name: str
    dataset: str
    crop: int
    width: float
    epochs: int
    batch_size: int
    lr: float
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "poly"
    drop_every: int | None = None
    head_lr: float | None = None
    mirror: bool = True
    scale: float = 1.0
    rotation: float = 0.0
    colors: str = "imagenet"
    reduced: bool = True
    size: int | None = None

    def __post_init__(self) -> None:
        check_positive(self, "crop", "width", "epochs", "batch_size")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, not {self.schedule!r}")
        if (self.schedule == "step") != (self.drop_every is not None):
            raise ValueError("drop_every belongs to the schedule 'step', and 'step' needs it")
        if self.scale < 1.0 or self.rotation < 0.0:
            raise ValueError(f"scale is at least 1 and rotation at least 0, not {self.scale} and {self.rotation}")

    @property
    def dataset_options(self) -> dict:
        """What `open_dataset` takes beside the name and the split."""
        return {"size": self.size} if self.size else {}

    def steps_per_epoch(self, images: int) -> int:
        """Optimizer steps in one pass over `images` images; the last batch may be smaller."""
        return math.ceil(images / self.batch_size)

    def learning_rate(self, step: int, total_steps: int) -> float:
        """The rate of step `step` of `total_steps`: a pure function, so that a resumed run repeats it exactly."""
        epoch = step * self.epochs // total_steps
        if self.schedule == "step":
            return self.lr * 0.1 ** (epoch // self.drop_every)
        done = step / total_steps if self.schedule == "poly" else epoch / self.epochs
        return self.lr * (1.0 - done) ** POWER

    @property
    def head_factor(self) -> float:
        """The classifier's rate over the rest's."""
        return 1.0 if self.head_lr is None else self.head_lr / self.lr

    def as_dict(self) -> dict:
        """The fields as plain values, as results and checkpoints store them."""
        return asdict(self)


_CITYSCAPES = SegmentationRecipe(
    # Source: the command for DRN-D-22 in the README of fyu/drn (2018-06-02) and its segment.py. The crop, batch, rate
    # and length by which the paper's own Table 3 was trained are not known; cropping and mirroring alone is.
    name="cityscapes",
    dataset="cityscapes",
    crop=896,
    width=1.0,
    epochs=250,
    batch_size=32,
    lr=0.01,
    weight_decay=1e-4,
    schedule="step",
    drop_every=100,
    colors="cityscapes",
    reduced=False,
)

_RECIPES = (
    # Fixed before the study, the rate by its pilot: quarter-width networks on CamVid's full-size frames, an hour or so.
    SegmentationRecipe(name="camvid-reduced", dataset="camvid", crop=224, width=0.25, epochs=100, batch_size=8, lr=0.1),
    # Drawn streets, for the pictures of chapter 07: minutes of one core.
    SegmentationRecipe(
        name="streets-reduced", dataset="streets", crop=128, width=0.25, epochs=14, batch_size=4, lr=0.1, size=256
    ),
    # The live training of a chapter's cell: drawn streets, the narrowest network, seconds on one core.
    SegmentationRecipe(name="streets-live", dataset="streets", crop=96, width=0.125, epochs=10, batch_size=8, lr=0.1),
    _CITYSCAPES,
    # Source: the command for DRN-D-105 there. Its random scale is drawn evenly from 1/2 to 2, ours on a logarithmic
    # scale; its normalization is synchronized, which `train_segmentation` does where it is told to.
    replace(
        _CITYSCAPES,
        name="cityscapes-poly",
        crop=840,
        epochs=500,
        batch_size=16,
        schedule="poly-epochs",
        drop_every=None,
        scale=2.0,
        rotation=10.0,
    ),
)


def list_segmentation_recipes() -> list[str]:
    """The names that `segmentation_recipe` knows."""
    return [candidate.name for candidate in _RECIPES]


def segmentation_recipe(name: str, **changes) -> SegmentationRecipe:
    """The recipe called `name`, with some fields changed by keyword.

    Raises:
        ValueError: no recipe has that name, or a field has a value it cannot have.
        TypeError: a recipe has no such field.
    """
    for candidate in _RECIPES:
        if candidate.name == name:
            return replace(candidate, **changes)
    raise ValueError(f"no segmentation recipe is called {name!r}; choose one of {list_segmentation_recipes()}")
