"""Gridding: its cause (the sub-lattice identity) and its measure (lattice energy).

A d-dilated convolution reads only positions that lie d apart, so a chain of them splits a map into d x d
sub-lattices that never exchange a value. Each of them may settle on a level of its own, and the map shows a pattern
that repeats every d cells. `lattice_energy` says how much of a map is such a pattern. Chapter 03 derives both.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drn_lib import probing
from drn_lib.checks import require_finite, whole_number


def split_sublattices(x: Tensor, dilation: int) -> list[Tensor]:
    """The d * d sub-lattices x[..., i::d, j::d] of a map (..., H, W), row by row; d is the dilation.

    Where d does not divide H or W the first ones are one cell longer. A side of less than d cells is a ValueError.
    """
    if dilation < 1 or min(x.shape[-2:]) < dilation:
        raise ValueError(f"a map of {tuple(x.shape[-2:])} cells has no {dilation} x {dilation} sub-lattices")
    return [x[..., i::dilation, j::dilation] for i in range(dilation) for j in range(dilation)]


def merge_sublattices(parts: list[Tensor], dilation: int) -> Tensor:
    """The map (..., H, W) whose sub-lattices are `parts`: the inverse of `split_sublattices`."""
    if len(parts) != dilation**2:
        raise ValueError(f"dilation {dilation} makes {dilation**2} sub-lattices, not {len(parts)}")
    height = sum(part.shape[-2] for part in parts[::dilation])
    width = sum(part.shape[-1] for part in parts[:dilation])
    merged = parts[0].new_empty(*parts[0].shape[:-2], height, width)
    for index, part in enumerate(parts):
        merged[..., index // dilation :: dilation, index % dilation :: dilation] = part
    return merged


def undilated(net: nn.Module, dilation: int) -> nn.Module:
    """A copy of `net`, in evaluation mode, with dilation and padding of its convolutions divided by `dilation`.

    The identity of `sublattice_forward` is then tried on a copy and a small random map, without the user's hooks.

    Args:
        net: convolutions of stride 1, batch normalization and pointwise layers, in any arrangement that adds or
            concatenates maps. A 1x1 convolution has nothing to divide.

    Raises:
        ValueError: a layer that joins sub-lattices, with its name: a stride, a dilation or padding that
            `dilation` does not divide, a pooling, or a layer that is not known here; or a forward that joins them.
    """
    whole_number("dilation", dilation, 1)
    dense = probing.copied(net).eval()
    _divide(dense, dilation)
    _check_identity(net, dense, dilation)
    return dense


def _divide(net: nn.Module, dilation: int) -> None:
    """Divide dilation and padding of the convolutions of `net`, in place."""
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            kernel, paddings = module.kernel_size, _padding(module)
            for k, s, d, p in zip(kernel, module.stride, module.dilation, paddings, strict=True):
                if s != 1 or p % dilation or (k > 1 and d % dilation) or module.padding_mode != "zeros":
                    raise ValueError(
                        f"convolution {name!r} (stride {s}, dilation {d}, padding {p}, {module.padding_mode}) joins "
                        f"the sub-lattices of dilation {dilation}; every dilation and padding must be a multiple of it"
                    )
            module.dilation = tuple(d // dilation if k > 1 else 1 for k, d in zip(kernel, module.dilation))
            module.padding = tuple(p // dilation for p in paddings)
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is None:
            raise ValueError(f"layer {name!r} normalizes by statistics of the whole map, which joins its sub-lattices")
        elif not any(module.children()) and not isinstance(module, _POINTWISE):
            raise ValueError(f"layer {name!r} ({type(module).__name__}) is not known to keep sub-lattices apart")


@torch.no_grad()
def _check_identity(net: nn.Module, dense: nn.Module, dilation: int) -> None:
    """Refuse a `net` whose forward joins the sub-lattices where its layers, divided in `dense`, do not."""
    convolutions = [module for module in dense.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in dense.modules() if isinstance(module, nn.BatchNorm2d)]
    channels = convolutions[0].in_channels if convolutions else norms[0].num_features if norms else 1
    lost = [  # cells that go at the borders
        max(0, d * (k - 1) - 2 * p)
        for conv in convolutions
        for k, d, p in zip(conv.kernel_size, conv.dilation, conv.padding)
    ]
    random = torch.Generator().manual_seed(0)
    trial, side = probing.probe(net, random), dilation * (2 + sum(lost)) + 1
    if probing.is_meta(trial):
        return
    x = torch.randn(1, channels, side, side + dilation, dtype=torch.float64, generator=random)
    try:
        with torch.random.fork_rng(devices=[]):
            whole = trial(x)
            _divide(trial, dilation)
            merged = merge_sublattices([trial(part) for part in split_sublattices(x, dilation)], dilation)
        apart = probing.relative_difference(merged, whole)
    except Exception as error:
        size = f"{x.shape[-2]}x{x.shape[-1]}"
        raise ValueError(f"the {type(net).__name__} fails on a map of {size} cells or its sub-lattices") from error
    require_finite(whole, f"what the {type(net).__name__} makes of a random map")
    if apart > probing.TOLERANCE:
        raise ValueError(
            f"the forward of the {type(net).__name__} joins the sub-lattices of dilation {dilation} (relative "
            f"difference {apart:.2g} on a random map), though none of its layers does"
        )


def sublattice_forward(net: nn.Module, x: Tensor, dilation: int) -> Tensor:
    """What the dilated `net` makes of `x` (N, C, H, W), computed by d * d undilated networks, one on each sub-lattice.

    The identity: net(x)[..., i::d, j::d] == undilated(net, d)(x[..., i::d, j::d]) for every i and j. Output cell
    o reads input cells o - p + d t for taps t; with p a multiple of d all of them equal o modulo d, and divided
    by d they are the cells that the undilated net reads. Errors are those of `undilated` and `split_sublattices`.

    Source: measured in PAPER_VS_CODE section 7, proved in chapter 03; the paper shows its effect in Fig. 4.
    """
    dense = undilated(net, dilation)
    return merge_sublattices([dense(part) for part in split_sublattices(x, dilation)], dilation)


_POINTWISE = (nn.ReLU, nn.Identity, nn.BatchNorm2d, nn.Dropout, nn.Sigmoid, nn.Tanh, nn.GELU, nn.SiLU, nn.LeakyReLU)


def _padding(conv: nn.Conv2d) -> tuple[int, int]:
    if isinstance(conv.padding, str):
        same = conv.padding == "same"
        return tuple(d * (k - 1) // 2 if same else 0 for k, d in zip(conv.kernel_size, conv.dilation, strict=True))
    return conv.padding


def lattice_energy(maps: Tensor, period: int) -> Tensor:
    """Fraction of each map's energy that is a pattern repeating every `period` cells in both directions.

    1. Take away the local mean: r = x - (x averaged over one period around the cell). The window is a box of p
       cells (for even p of p + 1 with half weight at its ends), which is blind to every pattern of period p.
       Only cells whose window lies inside are kept, cropped to whole periods.
    2. Average r over all translates by p: a p x p tile m, minus its mean. What does not repeat cancels.
    3. Split the map x = (its mean) + (m repeated) + rest, and return

           energy = sum(m repeated, squared) / (sum(m repeated, squared) + sum(rest, squared)).

    A constant map has 0, a pure lattice 1; scale and offset cancel. White noise is not 0, because an average of few
    translates still varies: print `white_noise_energy` beside every result.

    Args:
        maps: (..., H, W), H and W at least 4 periods.
        period: p, at least 2: the dilation whose grid is looked for. Grids of its divisors count as well.

    Returns:
        (...), from 0 to 1, in float64.

    Raises:
        ValueError: no maps, maps of fewer than four periods a side, or values that are not finite.

    Source: chapter 03. The paper has no measure of gridding.
    """
    lattice, rest = _energies(maps, period, per_map=True)
    total = lattice + rest
    return torch.where(total > 0, lattice / total.where(total > 0, torch.ones_like(total)), torch.zeros_like(total))


def lattice_fraction(maps: Tensor, period: int) -> float:
    """One number for many maps: `lattice_energy` of their energies summed, so that dead channels do not count.

    Errors are those of `lattice_energy`, here and below.
    """
    lattice, rest = (part.sum().item() for part in _energies(maps, period))
    return lattice / (lattice + rest) if lattice + rest > 0 else 0.0


@lru_cache
def white_noise_energy(size: int | tuple[int, int], period: int) -> float:
    """`lattice_fraction` of white noise on maps of `size` cells (one number or (H, W)).

    Let K cells remain after cropping, that is n = K / p^2 translates of the tile. The tile is t = M x, linear in
    the map x; A x is the tile of x itself, without the local mean taken away (both with their means removed).
    For white noise of variance 1 the expected squared length of a linear function is its matrix's squared norm:

        lattice = n |M|^2        rest = (K - 1) - 2n <A, M> + n |M|^2

    where K - 1 is the noise's own energy about its mean, and the middle term is its overlap with the tile. The
    value is lattice / (lattice + rest), about (p^2 - 1) / (K - 1) and a little less.
    """
    cells, plain, smoothed = 1, [], []
    for side in (size, size) if isinstance(size, int) else size:
        _check_size(side, side, period)
        half, kept = period // 2, _whole_periods(side, period)
        window, lines = _window(period), torch.eye(side, dtype=torch.float64)
        mean_of_line = F.conv1d(lines[:, None], window.view(1, 1, -1))[:, 0]  # (side, side - 2 half)
        for matrices, line in ((plain, lines[:, half : half + kept]), (smoothed, mean_of_line[:, :kept])):
            matrices.append(line.reshape(side, -1, period).mean(1).T)  # (p, side)
        cells *= kept
    own = torch.kron(*plain)  # (p^2, H W): the tile of the map
    tile = own - torch.kron(*smoothed)
    own, tile = own - own.mean(0), tile - tile.mean(0)
    translates = cells / period**2
    lattice = translates * tile.square().sum()
    rest = cells - 1 - 2 * translates * (own * tile).sum() + lattice
    return (lattice / (lattice + rest)).item()


@torch.no_grad()
def lattice_energy_by_level(
    model: nn.Module, images: Tensor, period: int = 4, batch_size: int = 4
) -> dict[int | str, float]:
    """`lattice_fraction` of the maps of every level and of the score map, over all their channels and all images.

    Args:
        model: a `network.Network`; read in evaluation mode, which is then undone.
        images: (N, 3, H, W), as the model expects them, read `batch_size` at a time.
        period: in cells of each level's own map; 4 is the largest dilation of a DRN.

    Returns:
        {level: fraction, ..., "score_map": fraction}. Levels whose maps are smaller than four periods are left out,
        with a warning.
    """
    sums: dict[int | str, tuple[float, float]] = {}
    small: dict[int | str, str] = {}
    with probing.evaluating(model):
        for batch in images.split(batch_size):
            maps_by_level: dict[int | str, Tensor] = dict(model.features(batch))
            maps_by_level["score_map"] = model.classifier(maps_by_level[max(maps_by_level)])
            for level, maps in maps_by_level.items():
                height, width = maps.shape[-2:]
                name = f"the map of level {level}" if isinstance(level, int) else "the score map"
                require_finite(maps, name)
                if min(height, width) < 4 * period:
                    small[level] = f"{level} with {height}x{width} cells"
                else:
                    parts = (part.sum().item() for part in _energies(maps, period))
                    sums[level] = tuple(a + b for a, b in zip(sums.get(level, (0.0, 0.0)), parts))
    if small:
        sizes = ", ".join(small.values())
        warnings.warn(f"left out {sizes}: period {period} needs {4 * period} a side; enlarge the images", stacklevel=2)
    return {level: lattice / max(lattice + rest, 1e-300) for level, (lattice, rest) in sums.items()}


def radial_power_spectrum(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Mean power of maps against frequency, all directions together: how rough they are, as a curve.

    Each map (H, W) loses its mean and is faded out at its borders (Hann window); the mean is taken over all maps.
    White noise of variance v has power v at every frequency but the two lowest, which lose it with the mean.

    Returns:
        (frequencies, power): both (B,), frequencies in cycles per cell from 0 to 0.5 in steps of 1 / min(H, W).
        A grid of period p shows at 1 / p.

    Raises:
        ValueError: values that are not finite.

    Source: puts a number to the paper's Fig. 6; chapter 03.
    """
    height, width = maps.shape[-2:]
    require_finite(maps, "the map")
    maps = maps.detach().double().reshape(-1, height, width)
    options = {"dtype": torch.float64, "device": maps.device}
    window = torch.outer(*(torch.hann_window(side + 2, periodic=False, **options)[1:-1] for side in (height, width)))
    centred = maps - (maps * window).sum((-2, -1), keepdim=True) / window.sum()
    power = torch.fft.fft2(centred * window).abs().square().mean(0) / window.square().sum()
    radius = torch.hypot(torch.fft.fftfreq(height, **options)[:, None], torch.fft.fftfreq(width, **options))
    bins = (radius * min(height, width)).round().long()
    inside = bins <= min(height, width) // 2
    count = torch.bincount(bins[inside])
    return torch.arange(len(count), **options) / min(height, width), torch.bincount(bins[inside], power[inside]) / count


def _energies(maps: Tensor, period: int, per_map: bool = False) -> tuple[Tensor, Tensor]:
    """Energy of the repeated tile and of the rest, each (...); both 0 for a map that is constant up to rounding.

    Values whose squares no float64 holds are scaled first, all alike or, with `per_map`, each map by itself.
    """
    *lead, height, width = maps.shape
    _check_size(height, width, period)
    require_finite(maps, "the map")
    x = maps.detach().double().reshape(-1, 1, height, width)
    if not len(x):
        raise ValueError("there is no map to measure")
    scale = x.abs().amax((-3, -2, -1))
    if ((scale > 1e100) | (scale < 1e-100)).any():
        largest = scale if per_map else scale.amax().expand_as(scale)
        x = x / largest.where(largest > 0, torch.ones_like(largest)).view(-1, 1, 1, 1)
        scale = x.abs().amax((-3, -2, -1))
    x = x - x.mean((-2, -1), keepdim=True)  # changes nothing but the rounding
    half = period // 2
    # The box of p cells; for even p the mean of two boxes a cell apart, so that the window has a middle.
    local_mean = F.avg_pool2d(x, period, stride=1)
    local_mean = local_mean if period % 2 else F.avg_pool2d(local_mean, 2, stride=1)
    rows, columns = _whole_periods(height, period), _whole_periods(width, period)
    local_mean = local_mean[:, 0, :rows, :columns]
    x = x[:, 0, half : half + rows, half : half + columns]
    residual = (x - local_mean).reshape(-1, rows // period, period, columns // period, period)
    tile = residual.mean((1, 3))  # (maps, p, p)
    tile = tile - tile.mean((-2, -1), keepdim=True)
    repeated = tile.repeat(1, rows // period, columns // period)
    rest = x - repeated
    rest = rest - rest.mean((-2, -1), keepdim=True)
    energies = torch.stack([repeated.square().sum((-2, -1)), rest.square().sum((-2, -1))])
    rounding = rows * columns * (1e-12 * scale) ** 2
    energies = energies.where(energies.sum(0) > rounding, torch.zeros_like(energies))
    return energies[0].reshape(lead), energies[1].reshape(lead)


def _window(period: int) -> Tensor:
    """Weights of the local mean along one axis: a box of one period, centred also where the period is even."""
    window = torch.ones(2 * (period // 2) + 1, dtype=torch.float64) / period
    if period % 2 == 0:
        window[[0, -1]] /= 2
    return window


def _whole_periods(side: int, period: int) -> int:
    """Cells along one axis that remain when the window must lie inside the map, in whole periods."""
    return (side - 2 * (period // 2)) // period * period


def _check_size(height: int, width: int, period: int) -> None:
    if period < 2:
        raise ValueError(f"a lattice has a period of at least 2 cells, not {period}")
    if min(height, width) < 4 * period:
        raise ValueError(
            f"maps of {height}x{width} cells are too small to see a period of {period}: "
            f"{4 * period} a side are needed; take larger images"
        )
