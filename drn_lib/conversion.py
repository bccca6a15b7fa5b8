"""A strided network into its dilated twin: the exact rule and the other published readings, by name.

Each stage whose stride would take the map beyond the wanted output stride runs at stride 1 instead, and its 3x3
convolutions are dilated. Under the rule `exact` every fourth row and column of the dilated network's last map (at
output stride 8) is the strided network's map. The other rules change the function; `rule_difference` says by how much.

    >>> from drn_lib.network import create_model
    >>> dilate(create_model("resnet_18", width=0.25)).table.name
    'drn_a_18'
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, repeat
from math import prod
from operator import mul
from typing import TypeVar

import torch
import torchvision
from torch import Tensor, nn

from drn_lib import probing
from drn_lib.architecture import DILATION_RULES, Architecture, convolutions, first_dilation, list_models
from drn_lib.checks import LAST_SEED, one_of, require_finite, whole_number
from drn_lib.lite import LiteBlock, LiteNetwork, SameConv2d
from drn_lib.network import Block, Network

_OURS = (Network, LiteNetwork)
_BLOCKS = (Block, LiteBlock, torchvision.models.resnet.BasicBlock, torchvision.models.resnet.Bottleneck)

Strided = TypeVar("Strided", Network, LiteNetwork, torchvision.models.ResNet)


def dilate(model: Strided, output_stride: int = 8, dilation_rule: str = "exact") -> Strided:
    """A copy of `model` that trades its last strides for dilation and keeps its weights.

    The strides are read from the convolutions, wherever in a stage they stand. A copy is then tried on a small random
    image: under the rule `exact` it must compute the same map, and at the output stride that was asked for. The
    user's hooks are copied and not run.

    Args:
        model: a ResNet of torchvision or one of ours, with basic or bottleneck blocks, or a `lite.LiteNetwork`; it is
            not changed.
        output_stride: input pixels between cells of the last map. Of an ordinary ResNet 8 trades the strides of the
            last two stages, 16 that of the last. The levels of a `LiteNetwork` count as stages.
        dilation_rule: one of `architecture.DILATION_RULES`.

    Returns:
        The dilated network. Ours also has a new `table`; `resnet_18`, `_34` and `_50` become the DRN-A of their depth.

    Raises:
        ValueError: unknown rule, another output stride, a model that is dilated already, or one with an unknown part.

    Source: Fig. 1 for the rule; chapter 02 for the proof that `exact` keeps the function.
    """
    one_of("dilation rule", dilation_rule, DILATION_RULES)
    if whole_number("output_stride", output_stride, 1) not in (8, 16):
        raise ValueError(f"output_stride must be 8 or 16, not {output_stride!r}")
    ours = isinstance(model, Network)
    if ours and (model.table.family != "resnet" or model.table.dilation_rule is not None):
        raise ValueError(f"{model.table.name} is dilated already and has no stride to trade: start from a ResNet")
    for number, stage in enumerate(_stages(model), start=1):
        _check_stage(number, stage)
    reached = list(accumulate(_strides(model), mul))  # the output stride after the stem and after each stage
    if ours and (reached[-1] != model.table.output_stride or not _is_as_its_table(model)):
        raise ValueError(f"the layers of {model.table.name} do not step as its table says: build it again")
    if output_stride not in reached or output_stride == reached[-1]:
        steps = ", ".join(map(str, reached))
        raise ValueError(
            f"no stride can be traded for output stride {output_stride}: the stem and the stages have {steps}"
        )
    _check_promise(model, output_stride)
    dilated = probing.copied(model)
    _convert(dilated, output_stride, dilation_rule)
    if ours:
        dilated.table = _dilated_table(model.table, output_stride, dilation_rule)
    return dilated


@dataclass(frozen=True)
class Difference:
    """How far two last maps are apart: the largest absolute difference, and that over the largest absolute value."""

    absolute: float
    relative: float


def difference(strided: nn.Module, dilated: nn.Module, images: Tensor) -> Difference:
    """Compare the last map of `strided` with that of its copy from `dilate` at the positions that both have.

    Both are read in evaluation mode, which is then undone. `images` are (N, 3, H, W), in the number format of both
    networks. A ValueError tells that there is no image, that a map is not finite, or that the maps do not share their
    positions.
    """
    if len(images) == 0:
        raise ValueError("there is no image to compare the networks on")
    step = max(prod(_strides(strided)) // prod(_strides(dilated)), 1)  # the strides lost
    with probing.evaluating(strided), probing.evaluating(dilated):
        theirs, ours = _last_map(strided, images), _last_map(dilated, images)
    shared = ours[..., ::step, ::step]
    if shared.shape != theirs.shape:
        maps = " and ".join(f"{m.shape[-2]}x{m.shape[-1]}" for m in (theirs, ours))
        raise ValueError(f"maps of {maps} cells do not share their positions: compare a ResNet with its dilated copy")
    for values, name in ((theirs, "strided"), (ours, "dilated")):
        require_finite(values, f"the last map of the {name} network")
    return Difference((shared - theirs).abs().max().item(), probing.relative_difference(shared, theirs))


def rule_difference(
    model: nn.Module, dilation_rule: str, output_stride: int = 8, size: int = 256, seed: int = 0
) -> Difference:
    """How much a rule changes what `model` computes, in float64 and eval mode, on one random image.

    In a copy of the model the statistics of its normalization are random (mean 0.1 N(0, 1), variance 0.5 + U(0, 1)), so
    that they are not neutral. This tells nothing about accuracy after training with the rule.

    Args:
        model, dilation_rule, output_stride: as for `dilate`, and so are the errors.
        size: of the image (1, 3, size, size), drawn from N(0, 1).
        seed: of the image and the statistics.
    """
    random = torch.Generator().manual_seed(whole_number("seed", seed, 0, LAST_SEED))
    strided = probing.probe(model, random)
    images = torch.randn(1, 3, size, size, dtype=torch.float64, generator=random)
    return difference(strided, dilate(strided, output_stride, dilation_rule), images)


def _stages(model: nn.Module) -> list[nn.Module]:
    """The stages of a ResNet, each a sequence of blocks; four but for the ablations of ours."""
    if isinstance(model, _OURS):
        return list(model.levels.values())
    if not isinstance(model, torchvision.models.ResNet):
        raise ValueError(f"dilate converts torchvision's ResNet and our networks, not a {type(model).__name__}")
    stages = {f"layer{number}": getattr(model, f"layer{number}", None) for number in range(1, 5)}
    for name, stage in stages.items():
        if not isinstance(stage, nn.Sequential):
            raise ValueError(f"{name} of the ResNet is a {type(stage).__name__}, not a sequence of blocks")
    return list(stages.values())


def _strides(model: nn.Module) -> list[int]:
    """The strides that the layers of the stem and of each stage have together."""
    names = ("stem", "pool") if isinstance(model, _OURS) else ("conv1", "maxpool")
    stem = [part for name in names if (whole := getattr(model, name, None)) is not None for part in whole.modules()]
    stages = [[layer for block in stage for layer in _path(block)] for stage in _stages(model)]
    return [prod(map(_stride, layers)) for layers in (stem, *stages)]


def _is_as_its_table(network: Network) -> bool:
    """Whether the convolutions have the strides of the table, which names the dilations of the copy."""
    found = {name: module.stride for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    return all(found.get(f"{row.name}.conv") == (row.stride, row.stride) for row in convolutions(network.table))


def _stride(layer: nn.Module) -> int:
    """The stride of one layer; 1 where it has none."""
    stride = getattr(layer, "stride", None) or 1
    height, width = stride if isinstance(stride, tuple) else (stride, stride)
    if height != width:
        raise ValueError(f"{layer} has other strides along height and width, so that no one output stride is left")
    return height


def _path(block: nn.Module, shortcut: bool = False) -> list[nn.Conv2d]:
    """The convolutions of a block in their order: those that its shortcut stands beside, or the shortcut's own."""
    return [
        module
        for name, module in block.named_modules()
        if isinstance(module, nn.Conv2d) and name.startswith(("downsample", "shortcut")) == shortcut
    ]


def _check_stage(number: int, stage: nn.Module) -> None:
    """Refuse what `_convert` would convert wrongly."""
    for index, block in enumerate(stage):
        where = f"block {index} of stage {number}"
        if type(block) not in _BLOCKS:
            raise ValueError(f"{where} is a {type(block).__name__}, not ResNet's basic or bottleneck block")
        for name, module in block.named_modules():
            if not name or not hasattr(module, "stride"):
                continue
            known = isinstance(module, nn.Conv2d) and module.kernel_size in ((1, 1), (3, 3))
            if not known and not isinstance(module, SameConv2d):
                raise ValueError(f"{name} in {where} is {module}; only 1x1 and 3x3 convolutions can be converted")
            if module.dilation != (1, 1):
                raise ValueError(f"{name} in {where} is dilated already; dilate a model that keeps all its strides")
            if module.padding_mode != "zeros" and module.padding != (0, 0):
                raise ValueError(f"{name} in {where} pads by {module.padding_mode!r}; only zeros keep the function")


def _convert(model: nn.Module, output_stride: int, rule: str) -> None:
    """Trade the strides beyond `output_stride`, in place: what follows a stride is dilated by all that was lost."""
    strides = _strides(model)
    reached, lost = strides[0], 1
    for stage, stride in zip(_stages(model), strides[1:], strict=True):
        if reached * lost * stride <= output_stride:
            reached *= stride
            continue
        before, after = lost, lost * stride
        for index, block in enumerate(stage):
            chosen = iter(first_dilation(rule, before, after)) if index == 0 else repeat(after)
            _dilate(_path(block, shortcut=True), lost)
            lost = _dilate(_path(block), lost, None if rule == "exact" else chosen)
            if hasattr(block, "stride"):  # torchvision notes it there too
                block.stride = 1


def _dilate(path: Iterable[nn.Conv2d], lost: int, chosen: Iterator[int] | None = None) -> int:
    """Stride 1 along a path, its kernels dilated by the strides `lost` so far, or as `chosen`; returns what is lost."""
    for layer in path:
        if layer.kernel_size != (1, 1):
            dilation = lost if chosen is None else next(chosen)
            layer.dilation = (dilation, dilation)
            if not isinstance(layer.padding, str):  # "same" follows the dilation
                layer.padding = tuple(dilation * cells for cells in layer.padding)
        stride = _stride(layer)
        if isinstance(layer, SameConv2d):  # what it pads follows the map of the strided network
            layer.trade_stride(lost)
        layer.stride = (1, 1)
        lost *= stride
    return lost


@torch.no_grad()
def _check_promise(model: nn.Module, output_stride: int) -> None:
    """Refuse a model that `_convert` makes another function of, or that has another output stride than its layers say.

    The random image is wider than high by two cells of the strided map, which tells the true output stride. Each
    parameter of one dimension is random too: a normalization whose weight starts at 0 would hide its branch.
    """
    name, total = type(model).__name__, prod(_strides(model))
    random = torch.Generator().manual_seed(0)
    trial = probing.probe(model, random)
    first = next((module for module in trial.modules() if isinstance(module, nn.Conv2d)), None)
    channels = first.in_channels if first is not None else 3
    images = torch.randn(1, channels, total + 1, 3 * total + 1, dtype=torch.float64, generator=random)
    if probing.is_meta(trial):
        images = images.to("meta")
    else:
        for parameter in trial.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5, generator=random)
    with torch.random.fork_rng(devices=[]):
        theirs = _last_map(trial, images)
        _convert(trial, output_stride, "exact")
        ours = _last_map(trial, images)
    lost = total // output_stride
    shared = ours[..., ::lost, ::lost]
    more = [maps.shape[-1] - maps.shape[-2] for maps in (theirs, ours)]  # cells that two output strides of pixels make
    if shared.shape != theirs.shape or more != [2, 2 * lost]:
        raise ValueError(f"part of the {name} has a step that no layer's stride shows: it cannot be dilated")
    if images.is_meta:
        return
    require_finite(theirs, f"the last map of the {name} on a random image")
    apart = probing.relative_difference(shared, theirs)
    if not apart <= probing.TOLERANCE:  # a NaN is no agreement
        raise ValueError(
            f"the dilated copy of the {name} is another function (relative difference {apart:.2g} on a random image), "
            "so a part of it steps or pads in a way that is not known here: it cannot be dilated"
        )


def _dilated_table(table: Architecture, output_stride: int, rule: str) -> Architecture:
    """The rows of the dilated network."""
    levels, reached, before = [], table.stem.stride, 1
    for level in table.levels:
        if reached * before * level.reduction > output_stride:
            after = before * level.stride
            first = first_dilation(rule, before, after)
            level, before = replace(level, stride=1, dilation=after, first_dilation=first), after
        else:
            reached *= level.reduction
        levels.append(level)
    twin = table.name.replace("resnet", "drn_a")
    renamed = {"name": twin, "family": "drn_a"} if output_stride == 8 and twin in list_models() else {}
    return replace(table, levels=tuple(levels), dilation_rule=rule, **renamed)


class _Reached(Exception):
    """Carries the last map out of a forward: what comes after it plays no part."""


@torch.no_grad()
def _last_map(model: nn.Module, images: Tensor) -> Tensor:
    """What leaves the last stage, before pooling."""

    def stop(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        raise _Reached(output)

    try:
        if isinstance(model, _OURS):
            return model.last_map(images)
        with model.layer4.register_forward_hook(stop):
            model(images)
    except _Reached as reached:
        return reached.args[0]
    except Exception as error:
        size = f"{images.shape[-2]}x{images.shape[-1]}"
        raise ValueError(f"the {type(model).__name__} fails on an image of {size} px: it cannot be tried") from error
    raise ValueError(f"the forward of the {type(model).__name__} never runs layer4, whose map is compared")
