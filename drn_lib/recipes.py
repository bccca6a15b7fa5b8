"""How a network is trained, as frozen data: nothing of a run hides in defaults elsewhere.

Reduced recipes are called reduced: they train a quarter-width network for minutes, the paper trained a full
one for days on a million images.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Recipe:
    """One way to train a classifier.

    dataset, partition   as `open_dataset` takes them (partition: a list in data/splits, or None)
    image_size           pixels a side that the network sees; images of another size are resized after augmentation
    width                factor on all channels
    epochs, batch_size   the schedule's length is counted in steps: epochs * ceil(images / batch_size)
    lr, momentum, weight_decay   of plain SGD; weight decay acts on everything, as in the released code
    warmup               share of the steps in which the rate rises linearly from zero; then half a cosine to zero
    crop_padding         pixels of reflected border from which the training crop is cut
    mirror               whether half of the training images are mirrored
    reduced              True for everything that is smaller than the paper's own recipe
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

    @property
    def dataset_options(self) -> dict:
        """What `open_dataset` takes beside the name and the split."""
        return {"partition": self.partition} if self.partition else {}

    def steps_per_epoch(self, images: int) -> int:
        """Optimizer steps in one pass over `images` images; the last batch may be smaller."""
        return math.ceil(images / self.batch_size)

    def learning_rate(self, step: int, total_steps: int) -> float:
        """The rate of step `step` of `total_steps`: a pure function, so that a resumed run repeats it exactly."""
        warmup_steps = max(1, round(self.warmup * total_steps))
        if step < warmup_steps:
            return self.lr * (step + 1) / warmup_steps
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return self.lr * 0.5 * (1.0 + math.cos(math.pi * progress))

    def as_dict(self) -> dict:
        """The fields as plain values, as results and checkpoints store them."""
        return asdict(self)


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
    # The live training of a chapter's cell: drawn shapes, the narrowest network, seconds on one core.
    Recipe(
        name="shapes-live",
        dataset="shapes",
        partition=None,
        image_size=64,
        width=0.125,
        epochs=4,
        batch_size=16,
        lr=0.05,
        crop_padding=4,
    ),
)


def recipe(name: str, **changes) -> Recipe:
    """The recipe called `name`, with some fields changed by keyword.

    Raises:
        ValueError: no recipe has that name.
    """
    for candidate in _RECIPES:
        if candidate.name == name:
            return replace(candidate, **changes)
    raise ValueError(f"no recipe is called {name!r}; choose one of {', '.join(r.name for r in _RECIPES)}")
