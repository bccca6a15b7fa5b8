"""The geometry of a network of the book, or of any chain of layers, from its table. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from drn_lib.architecture import Architecture, Filter, architecture, convolutions
from drn_lib.checks import require_type
from drn_lib.geometry.axis import Axis, Layer, Pair, image_size
from drn_lib.geometry.records import Geometry, Place, make_row

_POOLS = {
    None: (),
    "max": (Layer("pool", 3, 2, 1, 1, "max pooling"),),
    "blur": (Layer("pool.0", 3, 1, 1, 1, "max pooling"), Layer("pool.1", 3, 2, 1, 1)),
}


def layers(network: str | Architecture) -> list[Layer]:
    """The longest path through a network as a chain of layers, named like the modules of `create_model`.

    Each block's 3x3 convolutions read all that its shortcut reads and more, so the shortcuts drop out.
    `network` is one of `list_models()`, `list_ablations()` or `list_remedies()`, or a table of
    `architecture(name, dilation_rule)`.
    """
    chain = []
    for row in convolutions(architecture(network) if isinstance(network, str) else network):
        chain += _POOLS[row.pooled]
        if row.before:
            chain.append(_filter(row.before))
        if not row.shortcut:
            chain.append(Layer(f"{row.name}.conv", row.kernel, row.stride, row.dilation, row.padding))
        if row.after:
            chain.append(_filter(row.after))
    return chain


def _filter(one: Filter) -> Layer:
    return Layer(one.name, one.kernel, 1, 1, one.kernel // 2)


def table(network: str | Architecture | Iterable[Layer], input_size: Pair = 224) -> Geometry:
    """The geometry of a network of the book, or of any chain of layers, without torch.

    Args:
        network: a name, a table, or layers in their order.
        input_size: pixels, one number or (height, width).

    Raises:
        ValueError: there is no such network, no layer, or no such size, or a kernel does not fit on the map it meets.

    Source: Figs. 1 and 5; the formulas at the head of `drn_lib.geometry`.
    """
    network = architecture(network) if isinstance(network, str) else network
    name, chain = (network.name, layers(network)) if isinstance(network, Architecture) else ("layers", _chain(network))
    rows, modules = [], {}
    input_size = image_size(input_size)
    axes = [Axis(side) for side in input_size]
    for layer in chain:
        rows.append(make_row(layer, axes))
        axes = [rows[-1].height, rows[-1].width]
        first, *others = layer.name.split(".")
        module = f"levels.{others[0]}" if first == "levels" else first
        modules[module] = Place(module, *axes)
    return Geometry(name, input_size, tuple(rows), modules)


def _chain(network: Iterable[Layer]) -> list[Layer]:
    chain = list(network) if isinstance(network, Iterable) else [network]
    if not chain:
        raise ValueError("a chain has at least one layer")
    for layer in chain:
        require_type(layer, Layer, "a layer of the chain")
    return chain


def receptive_field(network: str | Architecture | Iterable[Layer], level: int | None = None) -> int:
    """Receptive field in pixels of the last map, or of the map that leaves `level`, along the longest path.

    435 pixels for ResNet-18 and for DRN-A-18 alike is the paper's point. A level that is not there is a KeyError.
    """
    network = network if isinstance(network, (str, Architecture)) else _chain(network)
    geometry = table(network, _large_enough(network))  # the field does not depend on the size
    if level is None:
        return geometry.rows[-1].receptive_field
    if level not in geometry.levels:
        raise KeyError(f"{geometry.name} has levels {list(geometry.levels)}, not {level}")
    return geometry.levels[level].receptive_field


def _large_enough(network: str | Architecture | list[Layer]) -> int:
    """A side of an image on which every kernel fits: 4096 pixels, or of a longer chain its receptive field."""
    chain = layers(network) if isinstance(network, (str, Architecture)) else network
    sides = [4096]
    for axis in (0, 1):
        field = jump = 1
        for kernel, stride, dilation, _ in (layer.along(axis) for layer in chain):
            field += dilation * (kernel - 1) * jump
            jump *= stride
        sides.append(field)
    return max(sides)
