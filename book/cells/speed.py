"""What chapter 08 counts and computes by hand: multiplications, small matrices, a layer on its sub-lattices."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

import numpy as np
from torch import Tensor
from torch.nn.functional import conv2d

from drn_lib.architecture import Convolution, architecture
from drn_lib.costs import map_sides
from drn_lib.fast import plain
from drn_lib.fast.build import SOURCES
from drn_lib.fast.matrices import Scheme, header


def arrays(scheme: Scheme) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """BT, G and AT of a scheme in float64."""
    return tuple(np.array(matrix, dtype=float) for matrix in (scheme.BT, scheme.G, scheme.AT))


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
    """The shortest of some runs by the clock."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return min(taken)


def tell(text: str) -> None:
    """Print what only the reader's own machine can say; silent where chapters are stored or compared."""
    if os.environ.get("DRN_PROGRESS") != "0":
        print(text)
