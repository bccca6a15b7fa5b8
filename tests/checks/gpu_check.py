"""What only a GPU can show, in a few minutes; `make gpu-check` runs it, and nothing is committed by it.

    python -m tests.checks.gpu_check [REPORT]          (default build/gpu-check.json)

Half precision against single, a study's float32 against a CPU's and a whole run of one, channels last against channels
first, boxes of a map that lies on the GPU, a run stopped and resumed, the command `train --recipe imagenet` on a
generated data set, two GPUs where there are two, the chapters with FULL = True shrunk, and how many images a second
each network takes. Exit status 0 where every check holds, 1 where one does not, 77 where there is no GPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import torch
from torch import nn

from book.studies import files, plans, runs
from drn_lib.datasets.catalog import open_dataset
from drn_lib.distributed import Group
from drn_lib.images import normalize
from drn_lib.localization.equations import boxes
from drn_lib.localization.options import EMPTY, BoxOptions
from drn_lib.network import create_model
from drn_lib.training import classification, loop, recipes
from drn_lib.training.batches import Source
from tests import ROOT
from tests.library import fake_imagenet
from tests.notebooks import passes

NO_GPU = 77
"""The exit status by which test tools tell "not run" from "failed"."""

NETWORKS = ("resnet_18", "drn_a_18", "drn_c_26", "drn_d_22", "resnet_101", "drn_c_42")
STEPS = 10
HALF_TOLERANCE, SINGLE_TOLERANCE = 0.1, 1e-3
"""Relative differences of losses over `STEPS` steps, and of logits, that are taken for rounding (8 and 24 bits)."""


def batch(size: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random bytes (count, 3, size, size) and labels (count,) of ten classes."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    return images, torch.arange(count) % 10


def one_loss(model, images: torch.Tensor, labels: torch.Tensor, precision, device: torch.device) -> torch.Tensor:
    """What a step of `training` takes the gradient of."""
    source = Source(len(labels), 10, lambda plan: iter(()), lambda network, group: {})
    task = classification.classification_task(recipes.recipe("imagenet"), model, 0, source, Group(0, 1, device))
    return loop.batch_loss(task, model, images, labels, len(labels), precision, device)


def losses(device: torch.device, precision: torch.dtype | None, width: float, size: int, count: int) -> list[float]:
    """The losses of DRN-C-26 over `STEPS` steps on one batch."""
    images, labels = batch(size, count)
    torch.manual_seed(0)
    model = create_model("drn_c_26", 10, width).to(device)
    model = model.to(memory_format=torch.channels_last) if device.type == "cuda" else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    scaler = torch.amp.GradScaler(device.type, enabled=precision is torch.float16)
    found = []
    for _ in range(STEPS):
        loss = one_loss(model, images, labels, precision, device)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        found.append(loss.item())
    return found


def farthest(left: list[float], right: list[float]) -> float:
    """The largest difference of two rows of losses, as a share of the first loss."""
    return max(abs(a - b) for a, b in zip(left, right, strict=True)) / left[0]


def half_precision(device: torch.device, width: float = 1.0, size: int = 224, count: int = 16) -> dict:
    """Training in half precision against training in single: the same losses but for rounding."""
    kind = loop.half_precision(device) or torch.bfloat16
    far = farthest(losses(device, None, width, size, count), losses(device, kind, width, size, count))
    return {"ok": far < HALF_TOLERANCE, "precision": str(kind), "largest relative difference": far}


@contextmanager
def in_float32(device: torch.device) -> Iterator[None]:
    """As a study computes, and afterwards as before."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    runs._compute_in_float32(device.type)
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before


def study_precision(device: torch.device, width: float = 0.25, size: int = 64, count: int = 16) -> dict:
    """Training as a study does it, in float32 without TF32: the losses of a CPU but for rounding."""
    with in_float32(device):
        far = farthest(losses(torch.device("cpu"), None, width, size, count), losses(device, None, width, size, count))
    return {"ok": far < SINGLE_TOLERANCE, "largest relative difference": far}


def whole_run(device: torch.device, **changes) -> dict:
    """One run of a study from its first step to its record, lattice energy and a ResNet dilated afterwards with it."""
    recipe = recipes.recipe("shapes-live", epochs=1, **changes)
    plan = plans.Plan("check", {"resnet_18": plans.Variant("resnet_18", "resnet_18", recipe)}, ())
    with tempfile.TemporaryDirectory() as place, mock.patch.dict(os.environ, {"DRN_CACHE": place}):
        with mock.patch.object(files, "results_dir", lambda: Path(place)):
            found = json.loads(runs.run_one(plan, "resnet_18", 0, device.type).read_text())
    return {"ok": found["metrics"]["posthoc.exact.test.loss"] > 0, "device": found["device"]}


@torch.inference_mode()
def channels_last(device: torch.device, width: float = 1.0, size: int = 224) -> dict:
    """The same network with its images channels last and channels first, in float32 without TF32: the same logits."""
    model = create_model("drn_c_26", 10, width).to(device).eval()
    shown = normalize(batch(size, 4)[0].to(device))
    with in_float32(device):
        first = model(shown)
        last = model.to(memory_format=torch.channels_last)(shown.contiguous(memory_format=torch.channels_last))
    far = ((first - last).abs().max() / first.abs().max()).item()
    return {"ok": far < SINGLE_TOLERANCE, "largest relative difference": far}


def boxes_where_the_map_is(device: torch.device) -> dict:
    """Boxes of a score map on the device, by every answer for the empty case: those of the same map on the CPU."""
    score_map, classes = torch.randn(4, 5, 6, 7), torch.tensor([0, 1, 2, 3])
    same = []
    for empty in EMPTY:
        here = boxes(score_map, classes, 1.5, (48, 56), BoxOptions(empty=empty))
        there = boxes(score_map.to(device), classes.to(device), 1.5, (48, 56), BoxOptions(empty=empty))
        same.append(there.device.type == device.type and torch.equal(here.nan_to_num(-1), there.cpu().nan_to_num(-1)))
    return {"ok": all(same), "empty": dict(zip(EMPTY, same))}


def resume(device: torch.device, size: int = 32) -> dict:
    """A run from files, stopped after its first epoch and resumed, ends with the losses of one that was not stopped.

    Nearly: a GPU adds in no fixed order.
    """
    curves = []
    with tempfile.TemporaryDirectory() as place:
        folder = fake_imagenet.make(Path(place))
        parts = [open_dataset("imagenet", part, folder) for part in ("train", "val")]
        recipe = fake_imagenet.small_recipe(image_size=size, shorter_side=size + 4)
        for stops in (False, True):
            effects = [*[mock.DEFAULT] * 4, KeyboardInterrupt if stops else mock.DEFAULT, *[mock.DEFAULT] * 9]
            steps = mock.Mock(side_effect=effects, wraps=loop.batch_loss)
            options = loop.RunOptions(Path(place) / str(stops), device, workers=2)
            with mock.patch.multiple(loop, batch_loss=steps, STATE_EVERY_SECONDS=0.0):
                try:
                    trained = classification.train_from_files(recipe, "drn_d_22", 0, *parts, options=options)
                except KeyboardInterrupt:
                    trained = classification.train_from_files(recipe, "drn_d_22", 0, *parts, options=options)
            curves.append([row["train_loss"] for row in trained.curve])
    far = farthest(*curves)
    return {"ok": far < HALF_TOLERANCE and steps.call_count == 7, "largest relative difference": far}


def command(processes: int = 1, *more: str, **changes) -> dict:
    """`python -m drn_lib train --recipe imagenet` on a generated data set, under torchrun where `processes` > 1."""
    with tempfile.TemporaryDirectory() as place:
        folder = fake_imagenet.make(Path(place))
        words = ["drn_lib", "train", *fake_imagenet.arguments(**changes), "--arch", "drn_c_26", "--workers", "2"]
        words += ["--root", str(folder), "--out", f"{place}/out", *more]
        start = [sys.executable, "-m"]
        if processes > 1:
            start += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
        return ran([*start, *words])


def chapters() -> dict:
    """Every chapter with FULL = True, shrunk: what `make test` runs on a CPU, here with a GPU in sight, uncompared."""
    passes.write(None)
    return ran([sys.executable, "-m", "pytest", "-q", "-n0", "--nbval-lax", str(passes.FOLDER / "notebooks")])


def ran(words: list[str]) -> dict:
    """A command: whether it went well, and its last line where it did not."""
    answer = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    last = (answer.stderr or answer.stdout).strip().splitlines()[-1:] if answer.returncode else []
    return {"ok": answer.returncode == 0, **({"said": last[0]} if last else {})}


def throughput(device: torch.device, networks=NETWORKS, size: int = 224, count: int = 64, rounds: int = 10) -> dict:
    """Images a second of each network: training as `training` does it, and the forward pass alone."""
    rows = {}
    images, labels = batch(size, count)
    precision = loop.half_precision(device)
    for name in networks:
        model = create_model(name).to(device)
        model = model.to(memory_format=torch.channels_last) if device.type == "cuda" else model
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
        shown = normalize(images.to(device))

        def train(model=model, optimizer=optimizer):
            loss = one_loss(model, images, labels, precision, device)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        def forward(model=model, shown=shown):
            model.eval()
            with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not None):
                nn.functional.softmax(model(shown), dim=1)

        rows[name] = {"training": rate(train, device, count, rounds), "forward": rate(forward, device, count, rounds)}
    return {"ok": all(value > 0 for row in rows.values() for value in row.values()), "images a second": rows}


def rate(step, device: torch.device, count: int, rounds: int) -> float:
    """Images a second of a step on `count` images, after warming up."""
    for _ in range(min(3, rounds)):
        step()
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    for _ in range(rounds):
        step()
    wait()
    return round(count * rounds / (time.perf_counter() - start), 1)


def main() -> int:
    if not torch.cuda.is_available():
        print("gpu-check: this machine has no GPU that PyTorch can use, so nothing was checked", file=sys.stderr)
        return NO_GPU
    os.environ.setdefault("DRN_PROGRESS", "0")
    torch.backends.cudnn.benchmark = True
    device = torch.device("cuda", 0)
    checks = {
        "half precision": lambda: half_precision(device),
        "a study's float32": lambda: study_precision(device),
        "a study's run": lambda: whole_run(device),
        "channels last": lambda: channels_last(device),
        "boxes": lambda: boxes_where_the_map_is(device),
        "resume": lambda: resume(device),
        "train --recipe imagenet": command,
        "chapters, FULL shrunk": chapters,
        "throughput": lambda: throughput(device),
    }
    if torch.cuda.device_count() > 1:
        checks["two GPUs, synchronized normalization"] = lambda: command(2, "--sync-batch-norm", batch_size=6)
    report = {"device": torch.cuda.get_device_name(device), "gpus": torch.cuda.device_count()}
    report.update({"torch": torch.__version__, "checks": {}})
    for name, check in checks.items():
        try:
            found = check()
        except Exception as error:  # the other checks still have something to say
            found = {"ok": False, "said": f"{type(error).__name__}: {error}"}
        report["checks"][name] = found
        print(f"{'ok    ' if found['ok'] else 'FAILED'} {name}", flush=True)
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "gpu-check.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["checks"]["throughput"].get("images a second", {}), indent=1))
    if torch.cuda.device_count() == 1:
        print("not run: two processes and synchronized normalization, which need two GPUs")
    print(f"written to {file}")
    return 0 if all(found["ok"] for found in report["checks"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
