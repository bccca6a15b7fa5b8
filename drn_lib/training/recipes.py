"""How a network is trained, as frozen data: nothing of a run hides in defaults elsewhere.

Reduced recipes are called reduced: they train a quarter-width network for minutes, the paper trained a full
one for days on a million images.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, asdict, dataclass, fields, replace
from typing import ClassVar, TypeVar

from drn_lib.checks import one_of
from drn_lib.images import NORMALIZATION
from drn_lib.training.fields import checked

SCHEDULES = ("poly", "poly-epochs", "step")
"""How the learning rate of a segmentation recipe falls, by name:

``poly``          lr (1 - step / steps)^0.9, step by step (DeepLab)
``poly-epochs``   the same, but constant within an epoch: the released code
``step``          lr, a tenth after every `drop_every` epochs

A classification recipe has ``step`` where it has `drop_every`, else ``cosine``: see its `warmup`.
"""

ENGINES = ("plain", "fast")
"""What computes a training's convolutions: PyTorch's own, or `drn_lib.fast`."""
POWER = 0.9


@dataclass(frozen=True)
class Recipe:
    """What all recipes share.

    dataset              as `open_dataset` takes it
    width                factor on all channels
    epochs, batch_size   the schedule's length is counted in steps: epochs * ceil(images / batch_size); several
                         processes share each batch, so that neither depends on how many there are
    lr, momentum, weight_decay   of plain SGD; weight decay acts on everything, as in the released code
    mirror               whether half of the training images are mirrored
    reduced              True for everything that is smaller than the paper's own recipe
    drop_every           epochs after which the rate falls to a tenth, in the schedule "step"
    """

    KIND: ClassVar[str] = "recipe"
    SIDE: ClassVar[str]  # the field that holds the pixels a side of what the network sees
    OPTION: ClassVar[str]  # the field that `open_dataset` takes
    _gradual_rate: ClassVar[Callable[..., float]]  # of (step, total_steps, its epoch): the rate without `drop_every`
    STORED: ClassVar[tuple[str, ...]] = ()  # the fields that results name even where they are None

    name: str
    dataset: str
    _: KW_ONLY
    width: float
    epochs: int
    batch_size: int
    lr: float
    momentum: float = 0.9
    weight_decay: float = 5e-4
    mirror: bool = True
    reduced: bool = True
    drop_every: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, checked(type(self), field.name, getattr(self, field.name)))

    @property
    def dataset_options(self) -> dict:
        """What `open_dataset` takes beside the name and the split."""
        return {self.OPTION: value} if (value := getattr(self, self.OPTION)) else {}

    def steps_per_epoch(self, images: int) -> int:
        """Optimizer steps in one pass over `images` images; the last batch may be smaller."""
        return math.ceil(images / self.batch_size)

    def learning_rate(self, step: int, total_steps: int) -> float:
        """The rate of step `step` of `total_steps`: a pure function, so that a resumed run repeats it exactly."""
        epoch = step * self.epochs // total_steps
        if self.drop_every is not None:
            return self.lr * 0.1 ** (epoch // self.drop_every)
        return self._gradual_rate(step, total_steps, epoch)

    def as_dict(self) -> dict:
        """The fields as plain values, as results and checkpoints store them; of those that are None only `STORED`.

        So a run that was saved before there was such a field is still the same run.
        """
        return {name: value for name, value in asdict(self).items() if value is not None or name in self.STORED}


AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


@dataclass(frozen=True, kw_only=True)
class ClassificationRecipe(Recipe):
    """One way to train a classifier: the fields of `Recipe`, and

    partition       a list in data/splits, or None
    image_size      pixels a side that the network sees; images of another size are resized after augmentation
    warmup          fraction of the steps in which the rate rises linearly from zero; then half a cosine to zero. Not
                    used with `drop_every`
    crop_padding    pixels of reflected border from which the training crop is cut
    shorter_side    pixels of the shorter side to which a test image is resized before its central `image_size`
                    pixels are cut out; set for photographs of all sizes, which are read from their files
    smallest_area   of such a photograph the training crop covers between this fraction and all, with an aspect
                    ratio between 3/4 and 4/3, and is resized to `image_size` (instead of crop_padding)
    color           strength of the random change of brightness, contrast and saturation; None: no change
    """

    SIDE: ClassVar[str] = "image_size"
    OPTION: ClassVar[str] = "partition"
    STORED = ("partition",)

    image_size: int
    partition: str | None = None
    warmup: float = 0.15
    crop_padding: int = 8
    shorter_side: int | None = None
    smallest_area: float | None = None
    color: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shorter_side is not None and self.image_size > self.shorter_side:
            most = f"at most {self.shorter_side}, the shorter_side that it is cut out of"
            raise ValueError(f"image_size must be {most}, not {self.image_size}")
        if self.crop_padding >= self.image_size:  # the border is a reflection of the image, which must reach so far
            raise ValueError(f"crop_padding must be below image_size, {self.image_size}, not {self.crop_padding}")

    @property
    def schedule(self) -> str:
        """The name of the learning rate's course: see `SCHEDULES`."""
        return "step" if self.drop_every else "cosine"

    def _gradual_rate(self, step: int, total_steps: int, epoch: int) -> float:
        warmup_steps = max(1, round(self.warmup * total_steps))
        if step < warmup_steps:
            return self.lr * (step + 1) / warmup_steps
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return self.lr * 0.5 * (1.0 + math.cos(math.pi * progress))

    @property
    def reads_files(self) -> bool:
        """Whether the images are photographs of all sizes, read while training, not held in memory."""
        return self.shorter_side is not None


@dataclass(frozen=True, kw_only=True)
class SegmentationRecipe(Recipe):
    """One way to train a segmentation network: the fields of `Recipe`, and

    crop       pixels a side of the square that is cut out of a full-size image; where the image is smaller, the rest
               is the mean color, and ignored
    schedule   one of `SCHEDULES`
    head_lr    of the 1x1 classifier; None: the same as the rest, as in the released code
    scale      an image is resized by a factor from 1 / scale to scale before it is cropped, sampled evenly on a
               logarithmic scale; 1 leaves it
    rotation   degrees by which it is turned at most, either way; what comes in from outside is ignored
    colors     how colors are normalized: one of `images.NORMALIZATION`
    size       pixels a side at which scenes are rendered; None for photographs, which have a size
    enlarge    how many times larger the network sees each image: see `SegmentationNetwork`
    """

    KIND: ClassVar[str] = "segmentation recipe"
    SIDE: ClassVar[str] = "crop"
    OPTION: ClassVar[str] = "size"
    STORED = ("drop_every", "head_lr", "size")

    crop: int
    schedule: str = "poly"
    head_lr: float | None = None
    scale: float = 1.0
    rotation: float = 0.0
    colors: str = "imagenet"
    size: int | None = None
    enlarge: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("schedule", self.schedule, SCHEDULES)
        one_of("normalization of colors", self.colors, NORMALIZATION)
        if (self.schedule == "step") != (self.drop_every is not None):
            raise ValueError("drop_every belongs to the schedule 'step', and 'step' needs it")
        if self.head_lr is not None and self.lr == 0:  # the classifier's rate is a multiple of the rest's
            raise ValueError("lr must be above zero where head_lr is set")

    def _gradual_rate(self, step: int, total_steps: int, epoch: int) -> float:
        done = step / total_steps if self.schedule == "poly" else epoch / self.epochs
        return self.lr * (1.0 - done) ** POWER

    @property
    def head_factor(self) -> float:
        """The classifier's rate over the rest's."""
        return 1.0 if self.head_lr is None else self.head_lr / self.lr


_IMAGENET = ClassificationRecipe(
    # Sources: schedule, rate, momentum and decay: the paper, and the commands and code of fyu/drn. Batch and crops:
    # fyu/drn, classify.py. Color: the paper names it without numbers; strength and kind are those of
    # facebookarchive/fb.resnet.torch, from which Table 1 takes its ResNets.
    "imagenet",
    "imagenet",
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

_CITYSCAPES = SegmentationRecipe(
    # Source: the command for DRN-D-22 in the README of fyu/drn (2018-06-02) and its segment.py. The crop, batch, rate
    # and length by which the paper's own Table 3 was trained are not known; only cropping and mirroring are.
    "cityscapes",
    "cityscapes",
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
    ClassificationRecipe(
        "tiny-imagenet-20-reduced",
        "tiny-imagenet",
        image_size=64,
        width=0.25,
        epochs=30,
        batch_size=32,
        lr=0.05,
        partition="tiny-imagenet-20",
    ),
    # A short further training on canvases (chapter 06): image labels only, the object one of several things.
    ClassificationRecipe("clutter-reduced", "clutter", image_size=128, width=0.25, epochs=5, batch_size=32, lr=0.02),
    # What the networks make of photographs with a ground truth mask (chapter 06): a fresh classifier for three breeds.
    ClassificationRecipe(
        "pets-reduced",
        "pets",
        image_size=224,
        width=0.25,
        epochs=20,
        batch_size=16,
        lr=0.02,
        crop_padding=28,
        partition="pets-3",
    ),
    # The live training of a chapter's cell: synthetic shapes, the narrowest network, seconds on one core.
    ClassificationRecipe(
        "shapes-live", "shapes", image_size=64, width=0.125, epochs=8, batch_size=16, lr=0.05, crop_padding=4
    ),
    _IMAGENET,
    replace(_IMAGENET, name="imagenet-released", color=None),  # as fyu/drn trains: no change of color
    # Fixed before the study, the rate by its pilot: quarter-width networks on CamVid's full-size frames, an hour or so.
    SegmentationRecipe("camvid-reduced", "camvid", crop=224, width=0.25, epochs=100, batch_size=8, lr=0.1),
    # Synthetic streets, for the pictures of chapter 07: minutes of one core.
    SegmentationRecipe("streets-reduced", "streets", crop=128, width=0.25, epochs=14, batch_size=4, lr=0.1, size=256),
    # The live training of a chapter's cell: synthetic streets, the narrowest network, seconds on one core.
    SegmentationRecipe("streets-live", "streets", crop=96, width=0.125, epochs=10, batch_size=8, lr=0.1),
    _CITYSCAPES,
    # Source: the command for DRN-D-105 there. Its random scale is sampled evenly from 1/2 to 2, ours on a logarithmic
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


def list_recipes(kind: type[Recipe] = Recipe) -> list[str]:
    """The names that `recipe` knows, of all recipes or of one kind."""
    return [candidate.name for candidate in _RECIPES if isinstance(candidate, kind)]


def recipe(name: str, kind: type[AnyRecipe] = Recipe, **changes) -> AnyRecipe:
    """The recipe called `name`, of any kind or of one, with some fields changed by keyword.

    Raises:
        ValueError: no recipe of that kind has that name or such a field, or a field cannot have its value.
    """
    one_of(kind.KIND, name, list_recipes(kind))
    found = next(candidate for candidate in _RECIPES if candidate.name == name)
    return replace(found, **{field: checked(type(found), field, value) for field, value in changes.items()})


def with_fields(plan: AnyRecipe, changes: Iterable[str]) -> AnyRecipe:
    """The recipe with the fields that a command line sets, "lr=0.05", read as Python reads them.

    Raises:
        ValueError: no such field, one that is set twice, or a value that the field cannot have.
    """
    values = {}
    for change in changes:
        field, _, text = change.partition("=")
        if not text:
            raise ValueError(f"--set {change} is not FIELD=VALUE, for instance lr=0.05")
        if field in values:
            raise ValueError(f"--set {change}: {field} is set twice; leave one out")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):  # a name, without quotes
            value = text
        try:
            values[field] = checked(type(plan), field, value)
        except ValueError as error:
            raise ValueError(f"--set {change}: {error}") from None
    return replace(plan, **values)
