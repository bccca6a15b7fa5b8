"""What is fastest for a convolution, measured: for one network's batch, or for the table.

OMP_NUM_THREADS=1 python -m drn_lib.fast.measure        writes choices.csv, in about five minutes of one core
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from drn_lib.checks import whole_number
from drn_lib.fast import operations, plain
from drn_lib.fast.choices import DIRECT, TORCH, WINOGRAD, Case, Row, methods_of, write_table
from drn_lib.fast.kernel import Steps, channels_last, kernel
from drn_lib.fast.matrices import scheme_for

ROUNDS = 5
"""How often the methods of a case are timed in turn; the median counts."""
ENOUGH = 0.01
"""Seconds that one timing lasts at least: short calls are repeated."""
HOPELESS = 3.0
"""A method whose first time is this many times the best is not timed again."""

# (inputs, outputs, side, dilation): the 3x3 convolutions of the networks, at full and at a quarter of the width.
FULL = [(16, 16, 224, 1), (32, 32, 112, 1), (64, 64, 56, 1), (64, 128, 28, 1), (128, 128, 28, 1), (128, 256, 28, 1)]
FULL += [(256, 256, 28, 2), (256, 512, 28, 2), (512, 512, 28, 4), (512, 512, 28, 2), (512, 512, 28, 1)]
FULL += [(512, 512, 7, 1), (256, 256, 14, 1), (256, 512, 64, 2), (512, 512, 64, 4), (128, 128, 128, 1)]
FULL += [(64, 64, 256, 1), (32, 32, 256, 1)]
QUARTER = [(8, 8, 64, 1), (8, 8, 32, 1), (16, 16, 16, 1), (16, 32, 8, 1), (32, 32, 8, 1), (32, 64, 8, 2)]
QUARTER += [(64, 64, 8, 2), (64, 128, 8, 4), (128, 128, 8, 4), (128, 128, 8, 2), (128, 128, 8, 1), (64, 64, 4, 1)]
QUARTER += [(128, 128, 2, 1)]
# (kernel, stride, inputs, outputs, side): the others.
OTHERS = [(7, 1, 3, 16, 224), (7, 2, 3, 64, 224), (3, 2, 16, 32, 224), (3, 2, 32, 64, 112), (3, 2, 64, 128, 56)]
OTHERS += [(3, 2, 128, 256, 28), (3, 2, 256, 512, 14), (1, 1, 64, 256, 56), (1, 1, 256, 64, 56), (1, 1, 512, 128, 28)]
OTHERS += [(1, 1, 256, 512, 28), (1, 1, 512, 2048, 28), (1, 1, 2048, 512, 28), (1, 1, 512, 1000, 28)]
OTHERS += [(1, 1, 512, 1000, 1), (1, 2, 16, 32, 224), (1, 2, 64, 128, 56), (1, 2, 256, 512, 28)]
SMALL = [(7, 1, 3, 8, 64), (7, 2, 3, 16, 64), (3, 2, 8, 8, 64), (3, 2, 8, 16, 32), (3, 2, 16, 32, 16)]
SMALL += [(3, 2, 32, 64, 8), (3, 2, 64, 128, 4), (1, 2, 8, 8, 64), (1, 2, 8, 16, 32), (1, 2, 16, 32, 16)]
SMALL += [(1, 2, 64, 128, 4), (1, 1, 32, 64, 8), (1, 1, 64, 128, 8), (1, 1, 128, 512, 8), (1, 1, 512, 128, 8)]
SMALL += [(1, 1, 128, 20, 1)]


def cases() -> list[Case]:
    """What the table holds: inference of one image at full width and of 32 small ones, training of 1 and of 32."""
    made = []
    for engine in ("kernel", "plain"):
        for training, shapes, others, images in (
            (False, FULL, OTHERS, 1),
            (False, QUARTER, SMALL, 32),
            (True, FULL, OTHERS, 1),
            (True, QUARTER, SMALL, 32),
        ):
            made += [Case(engine, training, True, 3, 1, d, i, o, side, images) for i, o, side, d in shapes]
            if engine == "kernel":  # the other engine leaves them to PyTorch
                made += [Case(engine, training, False, k, s, 1, i, o, side, images) for k, s, i, o, side in others]
    return made


def times(case: Case) -> dict[str, float]:
    """Milliseconds of each method that can compute the case; medians of rounds in which they take turns."""
    contenders = {method: _contender(case, method) for method in methods_of(case)}
    taken = {}
    for method, run in contenders.items():
        run()
        taken[method] = [_seconds(run, 1)]
    best = min(values[0] for values in taken.values())
    for _ in range(ROUNDS):
        for method, run in contenders.items():
            first = taken[method][0]
            if first < HOPELESS * best:
                taken[method].append(_seconds(run, max(1, round(ENOUGH / max(first, 1e-6)))))
    return {method: 1000 * median(values[1:] or values) for method, values in taken.items()}


def _seconds(run: Callable[[], object], times: int) -> float:
    """Seconds of one call: processor time with one thread, because other work hardly disturbs it, and wall-clock time
    with several.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    started = clock()
    for _ in range(times):
        run()
    return (clock() - started) / times


def _contender(case: Case, method: str) -> Callable[[], object]:
    """A call that computes the case once by the method, as a layer would."""
    engine = kernel() if case.engine == "kernel" else plain
    padding = case.dilation * (case.kernel // 2)
    steps = Steps(case.stride, padding, case.dilation)
    x = torch.randn(case.images, case.inputs, case.side, case.side)
    weight = torch.randn(case.outputs, case.inputs, case.kernel, case.kernel) / 10
    x = channels_last(x) if case.engine == "kernel" else x
    if case.training:
        return _training(x, weight, steps, method, engine)
    if method == WINOGRAD:
        scheme = scheme_for(*x.shape[2:], case.dilation)
        prepared = engine.prepare(weight, scheme)
        return lambda: engine.forward(x, prepared, case.outputs, scheme, case.dilation)
    if method == DIRECT:
        return lambda: engine.direct(x, weight, steps)
    return lambda: conv2d(x, weight, None, *steps)


def _training(x: Tensor, weight: Tensor, steps: Steps, method: str, engine) -> Callable[[], object]:
    x.requires_grad_()
    weight.requires_grad_()
    by = {
        WINOGRAD: lambda: operations.winograd(x, weight, steps.dilation, engine),
        DIRECT: lambda: operations.direct(x, weight, steps, engine),
        TORCH: lambda: conv2d(x.contiguous(), weight, None, *steps),
    }
    with torch.no_grad():
        gradient = by[method]()

    def step():
        torch.autograd.grad(by[method](), (x, weight), gradient)

    return step


def check_batch(batch: tuple[int, int] | None) -> None:
    """Raise ValueError unless `batch` is None or (images, side)."""
    if batch is not None:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ValueError(f"tune is {batch!r}: it must be (images, side in pixels), for instance (1, 224)")
        for name, value in zip(("images of tune", "side of tune"), batch, strict=True):
            whole_number(name, value, 1)


def tune(model: nn.Module, images: int, side: int, settings) -> None:
    """Measure every convolution that a batch of inference needs and note the fastest method in the settings.

    Raises:
        ValueError: the network does not take such images.
    """
    seen: set[Case] = set()
    method = settings.method
    settings.method = lambda case: (seen.add(case), method(case))[1]
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(images, 3, side, side))
    except RuntimeError as error:
        raise ValueError(f"the network does not take {images} images of {side} px: {error}") from error
    finally:
        del settings.method
        for module, mode in modes:
            module.training = mode
    for case in sorted(seen):
        found = times(case)
        settings.tuned[case] = min(found, key=found.get)


def main() -> None:
    """Write the table."""
    torch.manual_seed(0)
    rows = []
    for case in cases():
        rows.append(Row(case, times(case)))
        print(*case, *(f"{method} {value:.2f}" for method, value in rows[-1].times.items()), flush=True)
    write_table(rows)


if __name__ == "__main__":
    main()
