"""A strided ResNet into its dilated twin: the exact rule and the other published readings, by name.

Each stage whose stride would take the map beyond the wanted output stride runs at stride 1 instead, and its 3x3
convolutions are dilated. Under the rule `exact` every fourth row and column of the dilated network's last map (at
output stride 8) is the strided network's map. The other rules change the function; `rule_difference` says by how much.

    >>> from drn_lib.network import create_model
    >>> dilate(create_model("resnet_18", width=0.25)).table.name
    'drn_a_18'
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
import torchvision
from torch import Tensor, nn

from drn_lib.architecture import DILATION_RULES, Architecture, first_dilation, list_models
from drn_lib.network import Block, Network

_BLOCKS = (Block, torchvision.models.resnet.BasicBlock, torchvision.models.resnet.Bottleneck)

ResNet = TypeVar("ResNet", Network, torchvision.models.ResNet)


def dilate(model: ResNet, output_stride: int = 8, dilation_rule: str = "exact") -> ResNet:
    """A copy of `model` that trades its last strides for dilation and keeps its weights.

    Args:
        model: a ResNet of torchvision or one of ours, with basic or bottleneck blocks; it is not changed.
        output_stride: 8 trades the strides of the last two stages, 16 that of the last.
        dilation_rule: one of `architecture.DILATION_RULES`.

    Returns:
        The dilated network. Ours also has a new `table`; `resnet_18`, `_34` and `_50` become the DRN-A of their depth.

    Raises:
        ValueError: unknown rule, another output stride, a model that is dilated already, or one with an unknown part.

    Source: Fig. 1 for the rule; chapter 02 for the proof that `exact` keeps the function.
    """
    if dilation_rule not in DILATION_RULES:
        raise ValueError(f"dilation rule {dilation_rule!r} is not known; choose one of {', '.join(DILATION_RULES)}")
    if output_stride not in (8, 16):
        raise ValueError(f"output_stride must be 8 or 16, not {output_stride!r}")
    for number, stage in enumerate(_stages(model), start=1):
        _check_stage(number, stage)
    dilated = copy.deepcopy(model)
    before = 1
    for number, stage in enumerate(_stages(dilated), start=1):
        if 2 ** (number + 1) > output_stride:  # stage 1 has output stride 4, each later one doubles it
            first = first_dilation(dilation_rule, before, 2 * before)
            before *= 2
            for index, block in enumerate(stage):
                _dilate_block(block, first if index == 0 else (before, before))
    if isinstance(dilated, Network):
        dilated.table = _dilated_table(model.table, output_stride, dilation_rule)
    return dilated


@dataclass(frozen=True)
class Difference:
    """How far two last maps are apart: the largest absolute difference, and that over the largest absolute value."""

    absolute: float
    relative: float


@torch.no_grad()
def difference(strided: nn.Module, dilated: nn.Module, images: Tensor) -> Difference:
    """Compare the last map of `strided` with that of its copy from `dilate` at the positions that both have.

    `images` are (N, 3, H, W), in the number format of both networks.
    """
    theirs, ours = _last_map(strided, images), _last_map(dilated, images)
    # The strides lost, 2 or 4; maps smaller than that share one position.
    shared = next(cells for cells in (ours[..., ::k, ::k] for k in (1, 2, 4)) if cells.shape == theirs.shape)
    apart = (shared - theirs).abs().max().item()
    return Difference(apart, apart / theirs.abs().max().item())


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
    random = torch.Generator().manual_seed(seed)
    strided = copy.deepcopy(model).double().eval()
    for module in strided.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=random)
            module.running_var.uniform_(0.5, 1.5, generator=random)
    images = torch.randn(1, 3, size, size, dtype=torch.float64, generator=random)
    return difference(strided, dilate(strided, output_stride, dilation_rule), images)


def _stages(model: nn.Module) -> list[nn.Module]:
    """The four stages of a ResNet, each a sequence of blocks."""
    if isinstance(model, Network):
        if model.table.family != "resnet" or model.table.dilation_rule is not None:
            raise ValueError(f"{model.table.name} is dilated already and has no stride to trade: start from a ResNet")
        return list(model.levels.values())
    if isinstance(model, torchvision.models.ResNet):
        return [model.layer1, model.layer2, model.layer3, model.layer4]
    raise ValueError(f"dilate converts torchvision's ResNet and ours, not a {type(model).__name__}")


def _check_stage(number: int, stage: nn.Module) -> None:
    """Refuse what `_dilate_block` would convert wrongly."""
    for index, block in enumerate(stage):
        where = f"block {index} of stage {number}"
        if type(block) not in _BLOCKS:
            raise ValueError(f"{where} is a {type(block).__name__}, not ResNet's basic or bottleneck block")
        for name, module in block.named_modules():
            if not name or not hasattr(module, "stride"):
                continue
            if not isinstance(module, nn.Conv2d) or module.kernel_size not in ((1, 1), (3, 3)):
                raise ValueError(f"{name} in {where} is {module}; only 1x1 and 3x3 convolutions can be converted")
            if module.dilation != (1, 1):
                raise ValueError(f"{name} in {where} is dilated already; dilate a model that keeps all its strides")


def _dilate_block(block: nn.Module, dilations: tuple[int, int]) -> None:
    """Stride 1 everywhere in the block, and these dilations for its 3x3 convolutions (a bottleneck has one)."""
    left = iter(dilations)
    for convolution in block.modules():
        if isinstance(convolution, nn.Conv2d):
            convolution.stride = (1, 1)
            if convolution.kernel_size == (3, 3):
                convolution.dilation = convolution.padding = (next(left),) * 2
    if hasattr(block, "stride"):  # torchvision notes it there too
        block.stride = 1


def _dilated_table(table: Architecture, output_stride: int, rule: str) -> Architecture:
    """The rows of the dilated network."""
    levels, stride, before = [], 2, 1
    for level in table.levels:
        stride *= 2
        if stride > output_stride:
            first = first_dilation(rule, before, 2 * before)
            before *= 2
            level = replace(level, stride=1, dilation=before, first_dilation=first)
        levels.append(level)
    twin = table.name.replace("resnet", "drn_a")
    renamed = {"name": twin, "family": "drn_a"} if output_stride == 8 and twin in list_models() else {}
    return replace(table, levels=tuple(levels), dilation_rule=rule, **renamed)


def _last_map(model: nn.Module, images: Tensor) -> Tensor:
    """What leaves the last stage, before pooling."""
    if isinstance(model, Network):
        return model.last_map(images)
    maps = []
    with model.layer4.register_forward_hook(lambda module, inputs, output: maps.append(output)):
        model(images)
    return maps[0]
