"""How fast single convolutions run, against a matrix product on the same core: what chapter 08's pictures show.

OMP_NUM_THREADS=1 python -m book.studies.bench.layers        writes data/results/layer_times.json, in about two minutes

All contenders take turns in one process. A rate is the multiply-adds that a convolution has by its definition, a
second, divided by the rate of a matrix product in the same round; the median over the rounds counts. So a method that
needs fewer multiplications can have a rate above one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from book.studies.files import results_dir, write_json
from book.studies.provenance import device_name
from drn_lib.architecture import Convolution, architecture
from drn_lib.costs import map_sides
from drn_lib.fast import Unavailable, plain
from drn_lib.fast.kernel import Kernel, channels_last, kernel
from drn_lib.fast.matrices import scheme_for

NETWORK = "drn_c_26"
ROUNDS = 25
LAYER = Convolution("the layer", 6, 512, 512, 3)
"""The convolution that the pictures show with dilation 1, 2 and 4, on a map of `SIDE` cells a side."""
SIDE = 28
WITHOUT_UNIT = "AVX512_CORE"
"""What oneDNN may use at most where the processor's unit for bfloat16 is left out."""

COPIED = 1 << 26
"""Numbers that are copied to measure the memory: 256 MB, more than a cache of one core."""

Run = Callable[[], object]


def stored() -> dict:
    """The document of data/results/layer_times.json."""
    return json.loads((results_dir() / "layer_times.json").read_text(encoding="utf-8"))


@torch.no_grad()
def measure(rounds: int = ROUNDS, size: int = 224) -> dict:
    """The document: rates of the layer by method and dilation, rates of the network's levels, and of memory.

    Args:
        rounds: in which the contenders take turns.
        size: of the network's image in pixels.
    """
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    engine, side = _kernel(), max(4, SIDE * size // 224)
    try:
        layers = {str(dilation): _methods(LAYER, side, dilation, engine) for dilation in (1, 2, 4)}
        layers["4"] |= _normalized(LAYER, side, 4) | _halves(LAYER, side, 4)
        levels = _levels(size, engine)
        runs = {("layer", d, name): run for d, named in layers.items() for name, run in named.items()}
        runs |= {("level", row.level, name): run for row, _, named in levels for name, run in named.items()}
        rates, matrix, memory = _rates(runs, _work(side, levels), rounds)
    finally:
        torch.set_num_threads(threads)
    document = {"machine": _machine(rounds), "billions_a_second": matrix, "memory_bytes": memory}
    document["layer"] = {d: {name: rates["layer", d, name] for name in named} for d, named in layers.items()}
    document["levels"] = [
        {"level": row.level, "inputs": row.in_channels, "outputs": row.out_channels, "side": cells}
        | {"dilation": row.dilation, "intensity": _intensity(row, cells)}
        | {name: rates["level", row.level, name] for name in named}
        for row, cells, named in levels
    ]
    return document


def on_sublattices(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """The dilated convolution of x (N, C, H, W) as one undilated convolution of a batch of dilation^2 sub-lattices.

    The dilation divides both sides. Source: chapter 03's identity.
    """
    images, channels, height, width = x.shape
    d, down, across = dilation, height // dilation, width // dilation
    batch = x.view(images, channels, down, d, across, d).permute(0, 3, 5, 1, 2, 4).reshape(-1, channels, down, across)
    y = conv2d(batch, weight, padding=1).view(images, d, d, -1, down, across)
    return y.permute(0, 3, 4, 1, 5, 2).reshape(images, -1, height, width)


def is_dense(row: Convolution) -> bool:
    """Whether minimal filtering can compute it: a 3x3 kernel of stride 1."""
    return row.kernel == 3 and row.stride == 1


def dense_rows(name: str, size: int = 224) -> list[tuple[Convolution, int]]:
    """The convolutions of a network that minimal filtering can compute, each with the side of its map."""
    return [(row, side) for row, side in map_sides(architecture(name), size) if is_dense(row)]


def _kernel() -> Kernel | None:
    try:
        return kernel()
    except Unavailable:
        return None


def _operands(row: Convolution, side: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(1, row.in_channels, side, side)
    return x, torch.randn(row.out_channels, row.in_channels, 3, 3) / (3 * row.in_channels**0.5)


def _methods(row: Convolution, side: int, dilation: int, engine: Kernel | None) -> dict[str, Run]:
    """The layer in float32: directly, in another order of memory, on its sub-lattices, by both engines."""
    x, weight = _operands(row, side)
    other = channels_last(x), channels_last(weight)
    how = {"padding": dilation, "dilation": dilation}
    scheme = scheme_for(side, side, dilation)
    runs: dict[str, Run] = {"direct": lambda: conv2d(x, weight, **how)}
    runs["channels_last"] = lambda: conv2d(*other, **how)
    if side % dilation == 0:
        runs["sublattices"] = lambda: on_sublattices(x, weight, dilation)
    for name, by in {"plain": plain, "kernel": engine}.items():
        if by is not None:
            runs[name] = _filtering(by, x, weight, dilation, scheme)
    return runs


def _filtering(engine, x: Tensor, weight: Tensor, dilation: int, scheme) -> Run:
    prepared, x = engine.prepare(weight, scheme), channels_last(x)
    return lambda: engine.forward(x, prepared, len(weight), scheme, dilation)


def _normalized(row: Convolution, side: int, dilation: int) -> dict[str, Run]:
    """The layer with batch normalization and ReLU, and with the normalization folded into its weights."""
    x, weight = _operands(row, side)
    convolution = nn.Conv2d(row.in_channels, row.out_channels, 3, padding=dilation, dilation=dilation)
    convolution.weight.data.copy_(weight)
    norm = nn.BatchNorm2d(row.out_channels).eval()
    return {
        "normalized": lambda: norm(convolution(x)).relu_(),
        "folded": lambda: convolution(x).relu_(),
    }


def _halves(row: Convolution, side: int, dilation: int) -> dict[str, Run]:
    x, weight = _operands(row, side)

    def by(dtype: torch.dtype) -> Run:
        operands = x.to(dtype), weight.to(dtype)
        return lambda: conv2d(*operands, padding=dilation, dilation=dilation)

    return {"bfloat16": by(torch.bfloat16), "float16": by(torch.float16)}


def _levels(size: int, engine: Kernel | None) -> list[tuple[Convolution, int, dict[str, Run]]]:
    """Of each level that has one the last dense convolution, its side, and how it can be computed."""
    last = {row.level: (row, side) for row, side in dense_rows(NETWORK, size)}
    found = []
    for row, side in last.values():
        named = _methods(row, side, row.dilation, engine)
        found.append((row, side, {name: named[name] for name in ("direct", "plain", "kernel") if name in named}))
    return found


def _work(side: int, levels: list) -> Mapping[tuple, float]:
    """Multiply-adds of each group of contenders."""
    work = {("layer", d): LAYER.in_channels * LAYER.out_channels * 9 * side**2 for d in ("1", "2", "4")}
    return work | {("level", row.level): row.in_channels * row.out_channels * 9 * cells**2 for row, cells, _ in levels}


def _intensity(row: Convolution, side: int) -> float:
    """Multiply-adds for each byte that must move at least once: both maps and the weights, in float32."""
    cells, pairs = side**2, row.in_channels * row.out_channels
    return 9 * pairs * cells / (4 * ((row.in_channels + row.out_channels) * cells + 9 * pairs))


def _rates(runs: Mapping[tuple, Run], work: Mapping[tuple, float], rounds: int) -> tuple[dict, float, float]:
    """The relative rate of each contender, the matrix product's in billions a second, and bytes a multiply-add."""
    left, right = torch.randn(2, 1024, 1024)
    source = torch.randn(COPIED)
    target = torch.empty_like(source)
    taken: dict[tuple, list[float]] = {key: [] for key in runs}
    matrix, copies = [], []
    for run in runs.values():
        run()
    for _ in range(rounds):
        matrix.append(1024**3 / min(_taken(lambda: left @ right) for _ in range(3)))
        copies.append(2 * source.nbytes / _taken(lambda: target.copy_(source)) / matrix[-1])
        for key, run in runs.items():
            taken[key].append(work[key[:2]] / _taken(run) / matrix[-1])
    rates = {key: round(median(values), 3) for key, values in taken.items()}
    return rates, round(median(matrix) / 1e9, 1), round(median(copies), 4)


def _taken(run: Run) -> float:
    """Seconds of the processor, which other work hardly disturbs."""
    started = time.process_time()
    run()
    return time.process_time() - started


def _machine(rounds: int) -> dict:
    """What stands beside every number."""
    capability = torch.backends.cpu.get_cpu_capability()
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return {
        "processor": device_name("cpu"), "instructions": capability, "torch": torch.__version__, "threads": 1,
        "rounds": rounds, "load": load,
    }  # fmt: skip


@torch.no_grad()
def half_against_single(rounds: int = 9) -> float:
    """How many times as fast bfloat16 is as float32, on the layer with dilation 4."""
    single, half = _methods(LAYER, SIDE, 4, None)["direct"], _halves(LAYER, SIDE, 4)["bfloat16"]
    for run in (single, half):
        run()
    return round(median(_taken(single) / _taken(half) for _ in range(rounds)), 2)


def _without_unit() -> float:
    """The same in a process that may not use the processor's unit for bfloat16."""
    command = [sys.executable, "-m", "book.studies.bench.layers", "--half"]
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": WITHOUT_UNIT}
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def measure_all(rounds: int = ROUNDS, size: int = 224) -> dict:
    """`measure`, and how many times as fast bfloat16 is as float32 with and without a unit of its own."""
    halves = {"with_unit": half_against_single(min(rounds, 9)), "without_unit": _without_unit()}
    return measure(rounds, size) | {"bfloat16": halves}


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", action="store_true", help="only compare bfloat16 with float32, and print the ratio")
    torch.set_num_threads(1)
    if parser.parse_args().half:
        print(half_against_single())
        return
    write_json(results_dir() / "layer_times.json", measure_all())


if __name__ == "__main__":
    main()
