"""The sub-lattice identity: what a chain of dilated convolutions computes, one sub-lattice at a time.

A d-dilated convolution reads only positions that lie d apart, so a chain of them splits a map into d x d
sub-lattices that never exchange a value. Each of them may settle on a level of its own, and the map shows a pattern
that repeats every d cells. Chapter 03 derives it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drn_lib import probing
from drn_lib.checks import require_finite, require_type, whole_number


def split_sublattices(x: Tensor, dilation: int) -> list[Tensor]:
    """The d * d sub-lattices x[..., i::d, j::d] of a map (..., H, W), row by row; d is the dilation.

    Where d does not divide H or W the first ones are one cell longer. A side of less than d cells is a ValueError.
    """
    require_type(x, Tensor, "the map")
    whole_number("dilation", dilation, 1)
    if x.ndim < 2 or min(x.shape[-2:]) < dilation:
        raise ValueError(f"a map of {tuple(x.shape[-2:])} cells has no {dilation} x {dilation} sub-lattices")
    return [x[..., i::dilation, j::dilation] for i in range(dilation) for j in range(dilation)]


def merge_sublattices(parts: list[Tensor], dilation: int) -> Tensor:
    """The map (..., H, W) whose sub-lattices are `parts`: the inverse of `split_sublattices`.

    Raises ValueError where they are not as many, or not of the sizes, that the sub-lattices of one map have.
    """
    whole_number("dilation", dilation, 1)
    require_type(parts, (list, tuple), "the sub-lattices")
    for part in parts:
        require_type(part, Tensor, "a sub-lattice")
    if len(parts) != dilation**2:
        raise ValueError(f"dilation {dilation} makes {dilation**2} sub-lattices, not {len(parts)}")
    if min(part.ndim for part in parts) < 2:
        raise ValueError("a sub-lattice must be (..., h, w)")
    height = sum(part.shape[-2] for part in parts[::dilation])
    width = sum(part.shape[-1] for part in parts[:dilation])
    merged = parts[0].new_empty(*parts[0].shape[:-2], height, width)
    for index, part in enumerate(parts):
        place = merged[..., index // dilation :: dilation, index % dilation :: dilation]
        if part.shape != place.shape:
            raise ValueError(f"sub-lattice {index} must be {tuple(place.shape)}, not {tuple(part.shape)}")
        place.copy_(part)
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
    name = type(net).__name__
    layers = [module for module in dense.modules() if isinstance(module, (nn.Conv2d, nn.BatchNorm2d))]
    channels = next((getattr(layer, "in_channels", None) or layer.num_features for layer in layers), 1)
    grids = [zip(v.kernel_size, v.dilation, v.padding) for v in layers if isinstance(v, nn.Conv2d)]
    lost = sum(max(0, *(d * (k - 1) - 2 * p for k, d, p in grid)) for grid in grids)  # cells, at the borders
    random, side = torch.Generator().manual_seed(0), dilation * (2 + lost) + 1
    for size in ((side, side + 1), (side + 1, side)):
        trial = probing.probe(net, random)
        x = torch.randn(1, channels, *size, dtype=torch.float64, generator=random)
        if probing.is_meta(trial):
            return
        try:
            with torch.random.fork_rng(devices=[]):
                whole = trial(x)
                _divide(trial, dilation)
                merged = merge_sublattices([trial(part) for part in split_sublattices(x, dilation)], dilation)
            apart = probing.relative_difference(merged, whole)
        except Exception as error:
            raise ValueError(f"the {name} fails on a map of {size[0]}x{size[1]} cells or its sub-lattices") from error
        require_finite(whole, f"what the {name} makes of a random map")
        if not apart <= probing.TOLERANCE:
            raise ValueError(
                f"the forward of the {name} joins the sub-lattices of dilation {dilation}; its layers do not"
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
