"""What a training run has come to: its network, optimizer, step and curve, and the file that they are saved in."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from drn_lib.checks import require_finite, require_finite_weights, whole_number
from drn_lib.fast import engine_of
from drn_lib.paths import replacing
from drn_lib.training.batches import BatchPlan
from drn_lib.training.recipes import Recipe

ADVICE = "move it away, or delete it to start this run again"


@dataclass
class Trained:
    """What a training run returns: the network, its curve (one row per epoch) and the seconds that its steps took.

    `engine` is `fast.identity` of what computed it; empty where PyTorch's own convolutions did.
    """

    model: nn.Module
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    engine: dict[str, str] = field(default_factory=dict)


@dataclass
class State:
    """All that changes during a run, and that its state file holds; `losses` are the unfinished epoch's."""

    result: Trained
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    losses: list[float] = field(default_factory=list)

    def restore(self, file: Path | None, identity: dict, plan: BatchPlan) -> None:
        """Continue from a saved state, where there is one that fits the run's plan.

        Raises:
            ValueError: the file cannot be read, belongs to a run with another identity, or holds what no such run
                can have come to. Nothing has been changed then.
        """
        if file is None or not os.path.lexists(file):
            return
        try:
            state = dict(torch.load(file, map_location="cpu", weights_only=True))
            saved = json.loads(state["run"])
            changed = [key for key in {**identity, **saved} if saved.get(key) != identity.get(key)]
        except Exception as error:  # torch's own words would advise to read it unsafely
            known = isinstance(error, (PermissionError, IsADirectoryError, FileNotFoundError))
            reason = f" ({error.strerror})" if known else ": it is damaged or no state of a training"
            raise ValueError(f"{file} cannot be read{reason}; {ADVICE}") from error
        if changed:
            raise ValueError(f"{file} belongs to another run (different {', '.join(changed)}); use another folder")
        try:
            self._check(state, plan)
        except Exception as error:
            reason = str(error) if type(error) is ValueError else "something in it is missing or of another kind"
            raise ValueError(f"{file} is no state of this run: {reason}; {ADVICE}") from error
        self.result.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:  # empty where the last sitting needed none: on a CPU, or in bfloat16
            self.scaler.load_state_dict(state["scaler"])
        self.result.curve, self.result.seconds = state["curve"], state["seconds"]
        self.step, self.losses = state["step"], state["losses"]

    def _check(self, state: dict, plan: BatchPlan) -> None:
        """Raise an error where a saved state holds what no run of this plan can have come to."""
        own, saved = (
            {name: (t.shape, t.dtype) for name, t in tensors.items()} for tensors in (self._model(), state["model"])
        )
        if own != saved:
            raise ValueError("its tensors are not those of the network")
        require_finite_weights(state["model"], "it")
        self._check_momentum(state["optimizer"], may_miss=state["step"] == 0 or bool(state["scaler"]))
        scale = self.scaler.state_dict()
        if state["scaler"] and scale and state["scaler"].keys() != scale.keys():
            raise ValueError("its scale of the loss is incomplete")
        epochs, steps = divmod(whole_number("its step", state["step"], 0, plan.steps), plan.steps_per_epoch)
        curve, losses = state["curve"], state["losses"]
        if [row["epoch"] for row in curve] != [*range(1, epochs + 1)] or len(losses) != steps:
            raise ValueError(f"its curve and its losses are not those of {state['step']} steps")
        values = [state["seconds"], *losses, *state["scaler"].values(), *(row["train_loss"] for row in curve)]
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise ValueError("its seconds, losses or scale are not finite, or below zero")
        if not all(type(value) in (int, float) for row in curve for value in row.values()):
            raise ValueError("its curve holds something else than numbers")

    def _check_momentum(self, saved: dict, may_miss: bool) -> None:
        groups, others = self.optimizer.state_dict()["param_groups"], saved["param_groups"]
        pairs = [
            (other.get(key, value), value)
            for own, other in zip(groups, others)
            for key, value in own.items()
            if key != "lr"
        ]
        if len(groups) != len(others) or any(left != right for left, right in pairs):
            raise ValueError("its optimizer has other settings")
        parameters = [(group, one) for group in self.optimizer.param_groups for one in group["params"]]
        for index, (group, parameter) in enumerate(parameters):
            momentum = saved["state"].get(index, {}).get("momentum_buffer")
            if momentum is None and group["momentum"] and not may_miss:
                raise ValueError("the optimizer's momentum is missing")
            if momentum is not None:
                if momentum.shape != parameter.shape:
                    raise ValueError("the optimizer's momentum is that of another network")
                require_finite(momentum, "the optimizer's momentum")

    def _model(self) -> dict[str, Tensor]:
        return self.result.model.state_dict()

    def save(self, file: Path, identity: dict) -> None:
        """Write a temporary file, then move it to its place: a reader sees the old or the new state, never half."""
        file.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "run": json.dumps(identity),
            "model": self._model(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "losses": self.losses,
            "curve": self.result.curve,
            "seconds": self.result.seconds,
        }
        with replacing(file) as temporary, open(temporary, "wb") as handle:  # whose errors say what is wrong
            torch.save(state, handle)

    def check_finite(self, rate: float) -> None:
        """Stop a run that has diverged, before its state is saved over the last good one or its weights are given.

        Raises:
            ValueError: a weight is infinite or not a number.
        """
        try:
            require_finite_weights(self._model(), f"step {self.step}")
        except ValueError as error:
            raise diverged(str(error), rate) from error

    def update(self, loss: Tensor, rate: float) -> None:
        """One step of the optimizer; `rate` is multiplied by a parameter group's "factor"."""
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate * parameters.get("factor", 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1

    def end_epoch(self, epoch: int, metrics: dict[str, float]) -> dict[str, float]:
        """Add a row to the curve, and return it."""
        row = {"epoch": epoch, "train_loss": round(float(np.mean(self.losses)), 5), **metrics}
        self.result.curve.append(row)
        self.losses = []
        return row


def momentum_sgd(model: nn.Module, groups: list[dict], recipe: Recipe) -> torch.optim.SGD:
    """The optimizer of all recipes; an accelerated network's moves each weight in one pass, which rounds otherwise."""
    fused = True if engine_of(model) else None
    return torch.optim.SGD(
        groups, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=fused
    )


def diverged(what: str, rate: float) -> ValueError:
    """The error of a run whose loss or weights are no numbers any more."""
    return ValueError(
        f"{what}, at a learning rate of {rate:g}: the training has diverged; "
        "choose a smaller rate, and another folder or none"
    )
