"""The comparisons: score maps, the growth with the image, a study's training step. Each gives entries of bench.json."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from book.studies.bench.contenders import BASELINE, CONTENDERS, Missing, fill
from book.studies.bench.timing import Patience, clock, interleave, load, rows, timed
from drn_lib.architecture import architecture, scale_width
from drn_lib.distributed import join
from drn_lib.fast import accelerate, engine_of
from drn_lib.fast.counts import products
from drn_lib.network import Network, create_model
from drn_lib.training.batches import BatchPlan, from_memory
from drn_lib.training.classification import classification_task
from drn_lib.training.loop import Task, batch_loss
from drn_lib.training.recipes import ClassificationRecipe, recipe

CLASSES = 1000
STUDY = "tiny-imagenet-20-reduced"
"""The recipe of the training step that is measured: batches of 32 images of 64 px, a quarter of the width."""


@dataclass(frozen=True)
class Setting:
    """What is computed: a network, the image's size in pixels, and threads."""

    network: str
    height: int
    width: int
    threads: int = 1

    def entry(self) -> dict:
        """The setting and its products, as bench.json holds them."""
        count = products(architecture(self.network), self.height, self.width, CLASSES)
        size = {"network": self.network, "height": self.height, "width": self.width, "threads": self.threads}
        return {**size, "clock": clock(self.threads), "products": count._asdict()}


def score_maps(setting: Setting, names: Sequence[str], patience: Patience) -> dict:
    """One comparison: the contenders' times and how far their score maps are from the released code's.

    `names` are of CONTENDERS; those that cannot run here have an entry that says why.
    """
    torch.set_num_threads(setting.threads)
    model = fill(create_model(setting.network, CLASSES))
    x = torch.randn(1, 3, setting.height, setting.width, generator=torch.Generator().manual_seed(1))
    before, calls, found = load(), {}, {}
    with torch.inference_mode():
        for name in names:
            try:
                with torch.inference_mode(False), torch.no_grad():
                    calls[name] = CONTENDERS[name].make(copy.deepcopy(model), x)
            except Missing as error:
                found[name] = {"missing": str(error)}
        first = {name: timed(call) for name, call in calls.items()}
        wanted = first[BASELINE][1]
        differences = {name: apart(scores, wanted) for name, (_, scores) in first.items()}
        taken = interleave(calls, patience, {name: time for name, (time, _) in first.items()})
    for name, row in rows(taken, BASELINE, setting.threads).items():
        found[name] = {**row, "difference": differences[name]}
    about = {"rounds": len(taken[BASELINE]), "load": [before, load()]}
    return {**setting.entry(), **about, "rows": {name: found[name] for name in names}}


def apart(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, relative to the largest score."""
    return float(f"{((found - wanted).abs().max() / wanted.abs().max()).item():.1e}")


def training_steps(name: str, patience: Patience) -> dict:
    """A training step of the classification study on one thread, plain and by each engine."""
    torch.set_num_threads(1)
    known, before, calls, found = recipe(STUDY), load(), {}, {}
    for engine in ("plain", "without_kernel", "kernel"):
        model = create_model(name, 20, known.width)
        if engine != "plain":
            accelerate(model, kernel=engine == "kernel", quiet=True)
        if engine == "kernel" and engine_of(model) != "kernel":
            found[engine] = {"missing": "no kernel here"}
            continue
        calls[engine] = training_step(model, known)
    taken = interleave(calls, patience, {name: timed(call)[0] for name, call in calls.items()})
    found.update(rows(taken, "plain", 1))
    table = scale_width(architecture(name), known.width)
    count = products(table, known.image_size, known.image_size, 20)
    size = {"network": name, "width_factor": known.width, "side": known.image_size, "images": known.batch_size}
    about = {"threads": 1, "clock": clock(1), "products": count._asdict()}
    return {**size, **about, "rounds": len(taken["plain"]), "load": [before, load()], "rows": found}


def training_step(model: Network, known: ClassificationRecipe) -> Callable[[], None]:
    """A call that draws a batch, computes its loss and gradients, and moves the weights: a step of `training.loop`."""
    random = torch.Generator().manual_seed(0)
    side = known.image_size
    images = torch.randint(0, 256, (4 * known.batch_size, 3, side, side), dtype=torch.uint8, generator=random)
    labels = torch.randint(0, 20, (len(images),), generator=random)
    group = join("cpu")
    task = classification_task(known, model, 0, from_memory(known, (images, labels), 20, None), group)
    optimizer = task.optimizer(model)
    batches = _endless(task, known)

    def step() -> None:
        loss = batch_loss(task, model, *next(batches), known.batch_size, None, group.device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def _endless(task: Task, known: ClassificationRecipe) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from task.batches(BatchPlan(task.images, known.batch_size, known.epochs, seed=0))
