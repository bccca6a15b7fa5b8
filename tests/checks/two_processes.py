"""Trains in two processes that share each batch, and compares; run by test_distributed.py.

A script of its own, because it forks: a forked child starts in milliseconds where a new one imports torch for seconds,
and forking is safe only in a process that has one thread.

    python -m tests.checks.two_processes FOLDER equal killed uneven      # one or several of them
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

os.environ.setdefault("DRN_PROGRESS", "0")

from drn_lib import distributed, training
from drn_lib.images import normalize
from drn_lib.network import create_model
from drn_lib.training import loop
from drn_lib.training.augmentation import augment, epoch_order
from drn_lib.training.recipes import ClassificationRecipe

STEPS = 8
# Five images for two processes: the shares are three and two. One step an epoch, so that the curve has every loss.
RECIPE = ClassificationRecipe(
    "two", "random", image_size=32, width=0.125, epochs=STEPS, batch_size=5, lr=0.02, crop_padding=2
)
NETWORK, SEED, CLASSES = "drn_c_26", 3, 4


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (5, 3, 32, 32), generator=generator, dtype=torch.uint8), torch.arange(5) % CLASSES


def train(folder: Path | None, recipe: ClassificationRecipe = RECIPE) -> loop.Trained:
    return training.train(recipe, NETWORK, SEED, data(), CLASSES, data(), options=loop.RunOptions(folder))


def in_two_processes(work: Callable[[int], None]) -> list[int]:
    """Run work(rank) in two children that find each other; their exit statuses, negative where a signal ended them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(2):
        child = os.fork()
        if child == 0:
            address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", **address)
            try:
                work(rank)
                distributed.leave()
                status = 0
            except (ValueError, RuntimeError) as error:
                print(f"process {rank}: {type(error).__name__}: {error}", flush=True)
                status = 1
            os._exit(status)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def accumulated() -> tuple[nn.Module, list[float]]:
    """One process that lets the two shares of each batch follow each other, in a loop of its own.

    As with two processes each share is normalized by its own statistics, and the running ones are the first share's.
    """
    images, labels = data()
    torch.manual_seed(SEED)
    model = create_model(NETWORK, CLASSES, RECIPE.width)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=RECIPE.momentum, weight_decay=RECIPE.weight_decay)
    losses = []
    for step in range(STEPS):
        order = epoch_order(SEED, step, len(images))
        optimizer.param_groups[0]["lr"] = RECIPE.learning_rate(step, STEPS)
        optimizer.zero_grad()
        model.train()
        whole = 0.0
        for share in (order[1::2], order[0::2]):
            before = {name: buffer.clone() for name, buffer in model.named_buffers()}
            logits = model(normalize(augment(images[share], share, SEED, step, RECIPE)))
            loss = nn.functional.cross_entropy(logits, labels[share], reduction="sum") / len(order)
            loss.backward()
            whole += loss.item()
            if len(share) == 2:  # the second process's
                for name, buffer in model.named_buffers():
                    buffer.copy_(before[name])
        optimizer.step()
        losses.append(whole)
    return model, losses


def equal(folder: Path) -> None:
    """Two processes equal one that accumulates, and each other."""

    def work(rank: int) -> None:
        done = train(None)
        torch.save({"model": done.model.state_dict(), "curve": done.curve}, folder / f"{rank}.pt")

    assert in_two_processes(work) == [0, 0]
    first, second = (torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2))
    model, losses = accumulated()
    assert first["curve"] == second["curve"]
    for name in model.state_dict():
        assert torch.equal(first["model"][name], second["model"][name]), name
    far = max((first["model"][name] - t).abs().max().item() for name, t in model.state_dict().items() if t.ndim)
    off = max(abs(row["train_loss"] - loss) for row, loss in zip(first["curve"], losses, strict=True))
    fell = losses[0] - losses[-1]
    print(f"weights {far:.1e}, losses {off:.1e}, the loss fell by {fell:.2f}")
    assert far < 1e-5 and off < 1e-5 + 5e-6  # the curve is rounded to 5 digits
    assert fell > 0.1


def killed(folder: Path) -> None:
    """One process is killed: the other says so and ends, the state is whole, and the resumed run ends the same."""
    loop.STATE_EVERY_SECONDS = 0.0

    def undisturbed(rank: int) -> None:
        train(folder / "undisturbed")

    def disturbed(rank: int) -> None:
        if rank == 1:
            mean = distributed.Group.mean

            def mean_or_die(group, value):
                mean_or_die.steps += 1
                if mean_or_die.steps == 4:
                    os.kill(os.getpid(), signal.SIGKILL)
                return mean(group, value)

            mean_or_die.steps = 0
            distributed.Group.mean = mean_or_die
        train(folder / "disturbed")

    def resumed(rank: int) -> None:
        train(folder / "disturbed")

    assert in_two_processes(undisturbed) == [0, 0]
    assert in_two_processes(disturbed) == [1, -signal.SIGKILL]
    state = torch.load(folder / "disturbed" / "state.pt", weights_only=True)
    print(f"state of step {state['step']}")
    assert state["step"] == 3
    assert in_two_processes(resumed) == [0, 0]
    wanted, found = (torch.load(folder / run / "state.pt", weights_only=True) for run in ("undisturbed", "disturbed"))
    assert wanted["curve"] == found["curve"] and wanted["step"] == found["step"] == STEPS
    for name, tensor in wanted["model"].items():
        assert torch.equal(tensor, found["model"][name]), name
    try:
        train(folder / "disturbed")
    except ValueError as error:
        print(error)  # one process cannot resume where two were


def uneven(folder: Path) -> None:
    """A batch with fewer images than processes is refused before anything is trained."""
    from dataclasses import replace

    assert in_two_processes(lambda rank: train(folder, replace(RECIPE, batch_size=4))) == [1, 1]


def main() -> None:
    torch.set_num_threads(1)
    for scene in sys.argv[2:]:
        {"equal": equal, "killed": killed, "uneven": uneven}[scene](Path(sys.argv[1]))


if __name__ == "__main__":
    main()
