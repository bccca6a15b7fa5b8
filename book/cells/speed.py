"""What chapter 08 counts and computes by hand: small matrices, the kernel's lines, errors and times."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import numpy as np
from torch import Tensor

from drn_lib import paths
from drn_lib.fast import plain
from drn_lib.fast.build import SOURCES
from drn_lib.fast.matrices import Scheme, header


def arrays(scheme: Scheme) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """BT, G and AT of a scheme in float64."""
    return tuple(np.array(matrix, dtype=float) for matrix in (scheme.BT, scheme.G, scheme.AT))


def filtered(x: Tensor, weight: Tensor, dilation: int, scheme: Scheme) -> Tensor:
    """The convolution by one scheme, in PyTorch: `drn_lib.fast.winograd` chooses the scheme by itself."""
    return plain.forward(x, plain.prepare(weight, scheme), len(weight), scheme, dilation)


def kernel_lines(scheme: Scheme) -> list[str]:
    """Where the C++ kernel holds the three matrices of a scheme and where it uses them, without C++'s clutter."""
    text = header().split(f"struct {scheme.name} {{")[1].split("};\n};")[0]
    held = re.findall(r"static constexpr float ((?:BT|G|AT)\[.*;)", text)
    source = "\n".join((SOURCES / name).read_text(encoding="utf-8") for name in ("tiles.h", "winograd.cpp"))
    used = [re.search(rf"\w+(?:<[\w, ]+>)?\(\w+::{name},.*;$", source, re.MULTILINE)[0] for name in ("BT", "G", "AT")]
    used = [re.sub(r"<[\w, ]+>", "", line) for line in used]
    return [*(re.sub(r"(\.0)?f\b", "", line) for line in held), *used]


def relative_error(found: Tensor, exact: Tensor) -> float:
    """The root mean square of the difference over that of the exact values."""
    return ((found.double() - exact).square().mean() / exact.square().mean()).sqrt().item()


def seconds(run: Callable[[], object], times: int = 5) -> float:
    """Seconds of the shortest run."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return min(taken)


def tell(text: str) -> None:
    """Print what only the reader's own machine can say; silent where chapters are stored or compared."""
    if paths.shows_progress():
        print(text)
