"""How a network is trained, as frozen data: nothing of a run hides in defaults elsewhere.

Reduced recipes are called reduced: they train a quarter-width network for minutes, the paper trained a full
one for days on a million images.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TypeVar, get_args, get_type_hints

AnyRecipe = TypeVar("AnyRecipe")
"""A `Recipe` or a `segmentation_recipes.SegmentationRecipe`."""


def check_positive(plan: AnyRecipe, *fields: str) -> None:
    """Refuse a recipe by which nothing could be trained.

    Raises:
        ValueError: one of these fields is not above zero.
    """
    for field in fields:
        if not getattr(plan, field) > 0:
            raise ValueError(f"{field} must be above zero, not {getattr(plan, field)}")


@dataclass(frozen=True)
class Recipe:
    """One way to train a classifier.

    dataset, partition   as `open_dataset` takes them (partition: a list in data/splits, or None)
    image_size           pixels a side that the network sees; images of another size are resized after augmentation
    width                factor on all channels
    epochs, batch_size   the schedule's length is counted in steps: epochs * ceil(images / batch_size); several
                         processes share each batch, so that neither depends on how many there are
    lr, momentum, weight_decay   of plain SGD; weight decay acts on everything, as in the released code
    warmup               share of the steps in which the rate rises linearly from zero; then half a cosine to zero
    crop_padding         pixels of reflected border from which the training crop is cut
    mirror               whether half of the training images are mirrored
    reduced              True for everything that is smaller than the paper's own recipe
    drop_every           epochs after which the rate falls to a tenth, instead of warmup and cosine
    shorter_side         pixels of the shorter side to which a test image is resized before its central `image_size`
                         pixels are cut out; set for photographs of all sizes, which are read from their files
    smallest_area        of such a photograph the training crop covers between this share and all, with an aspect
                         ratio between 3/4 and 4/3, and is resized to `image_size` (instead of crop_padding)
    color                strength of the random change of brightness, contrast and saturation; None: no change
    """

    name: str
    dataset: str
    partition: str | None
    image_size: int
    width: float
    epochs: int
    batch_size: int
    lr: float
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.15
    crop_padding: int = 8
    mirror: bool = True
    reduced: bool = True
    drop_every: int | None = None
    shorter_side: int | None = None
    smallest_area: float | None = None
    color: float | None = None

    def __post_init__(self) -> None:
        check_positive(self, "image_size", "width", "epochs", "batch_size")
        if self.shorter_side is not None and self.image_size > self.shorter_side:
            raise ValueError(
                f"image_size must be at most {self.shorter_side}, the shorter_side that it is cut out of, "
                f"not {self.image_size}"
            )

    @property
    def dataset_options(self) -> dict:
        """What `open_dataset` takes beside the name and the split."""
        return {"partition": self.partition} if self.partition else {}

    @property
    def reads_files(self) -> bool:
        """Whether the images are photographs of all sizes, read while training, not held in memory."""
        return self.shorter_side is not None

    def steps_per_epoch(self, images: int) -> int:
        """Optimizer steps in one pass over `images` images; the last batch may be smaller."""
        return math.ceil(images / self.batch_size)

    def learning_rate(self, step: int, total_steps: int) -> float:
        """The rate of step `step` of `total_steps`: a pure function, so that a resumed run repeats it exactly."""
        if self.drop_every:
            epoch = step * self.epochs // total_steps
            return self.lr * 0.1 ** (epoch // self.drop_every)
        warmup_steps = max(1, round(self.warmup * total_steps))
        if step < warmup_steps:
            return self.lr * (step + 1) / warmup_steps
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return self.lr * 0.5 * (1.0 + math.cos(math.pi * progress))

    def as_dict(self) -> dict:
        """The fields as plain values, as results and checkpoints store them.

        The fields after `reduced` stand there only where they are used: a run that was saved before there were such
        fields is still the same run.
        """
        used = asdict(self)
        return {name: value for name, value in used.items() if value is not None or name == "partition"}


_IMAGENET = Recipe(
    # Sources: schedule, rate, momentum and decay: the paper, and the commands and code of fyu/drn. Batch and crops:
    # fyu/drn, classify.py. Color: the paper names it without numbers; strength and kind are those of
    # facebookarchive/fb.resnet.torch, from which Table 1 takes its ResNets.
    name="imagenet",
    dataset="imagenet",
    partition=None,
    image_size=224,
    width=1.0,
    epochs=120,
    batch_size=256,
    lr=0.1,
    weight_decay=1e-4,
    warmup=0.0,
    crop_padding=0,
    reduced=False,
    drop_every=30,
    shorter_side=256,
    smallest_area=0.08,
    color=0.4,
)

_RECIPES = (
    Recipe(
        name="tiny-imagenet-20-reduced",
        dataset="tiny-imagenet",
        partition="tiny-imagenet-20",
        image_size=64,
        width=0.25,
        epochs=30,
        batch_size=32,
        lr=0.05,
    ),
    # A short further training on canvases (chapter 06): image labels alone, the object one of several things.
    Recipe(
        name="clutter-reduced",
        dataset="clutter",
        partition=None,
        image_size=128,
        width=0.25,
        epochs=5,
        batch_size=32,
        lr=0.02,
    ),
    # What the networks make of photographs with a mask as truth (chapter 06): a fresh classifier for three breeds.
    Recipe(
        name="pets-reduced",
        dataset="pets",
        partition="pets-3",
        image_size=224,
        width=0.25,
        epochs=20,
        batch_size=16,
        lr=0.02,
        crop_padding=28,
    ),
    # The live training of a chapter's cell: drawn shapes, the narrowest network, seconds on one core.
    Recipe(
        name="shapes-live",
        dataset="shapes",
        partition=None,
        image_size=64,
        width=0.125,
        epochs=8,
        batch_size=16,
        lr=0.05,
        crop_padding=4,
    ),
    _IMAGENET,
    replace(_IMAGENET, name="imagenet-released", color=None),  # as fyu/drn trains: no change of color
)


def recipe(name: str, **changes) -> Recipe:
    """The recipe called `name`, with some fields changed by keyword.

    Raises:
        ValueError: no recipe has that name.
        TypeError: a recipe has no such field.
    """
    for candidate in _RECIPES:
        if candidate.name == name:
            return replace(candidate, **changes)
    raise ValueError(f"no recipe is called {name!r}; choose one of {', '.join(r.name for r in _RECIPES)}")


def with_fields(plan: AnyRecipe, changes: Iterable[str]) -> AnyRecipe:
    """The recipe with the fields that a command line sets, "lr=0.05", read as Python reads them.

    Raises:
        ValueError: no such field, or a value that the field cannot have.
    """
    values = {}
    for change in changes:
        field, _, text = change.partition("=")
        if field not in asdict(plan) or not text:
            raise ValueError(f"--set {change} is not FIELD=VALUE; the fields are {', '.join(asdict(plan))}")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):  # a name, without quotes
            value = text
        hint = get_type_hints(type(plan))[field]
        kinds = get_args(hint) or (hint,)  # of `int | None` both
        if float in kinds and type(value) is int:
            value = float(value)
        if type(value) not in kinds:
            named = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
            article = "an" if named.startswith("int") else "a"
            raise ValueError(f"--set {change}: {field} is {article} {named}, for instance {getattr(plan, field)!r}")
        values[field] = value
    return replace(plan, **values)
