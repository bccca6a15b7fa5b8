"""Read the geometry of any torch module: `trace`.

The module runs once on "meta" tensors, which have shapes and no values. A dispatch mode sees every basic operation and
carries the geometry of its inputs to its outputs: convolutions and poolings give a row each, padding and strided slices
shift the grid, sums and concatenations take the union of the fields, pointwise operations change nothing, and pooling
over the whole map leaves one cell that sees everything. A reshape that gives up the grid, and upsampling, end it: what
reads the result as a map raises, as does every operation that is not known here.

Tensors that share memory are followed together: what is written through a view changes the fields of all that hold the
same cells at the same places; those that hold them at other places cannot be read any more.
"""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from drn_lib import probing
from drn_lib.geometry import memory
from drn_lib.geometry.axis import Axis, Layer, Pair, image_size
from drn_lib.geometry.records import Geometry, Place, make_row

Axes = tuple[Axis, Axis]
NO_GRID = "no grid"  # derived from the input, but no longer a map of positions
STALE = "stale"  # a view of memory that was written at other places

# Basic operations by what they do to positions; those that torch itself tags as pointwise need no entry.
_POINTWISE = set("hardswish hardswish_ alias detach clone _to_copy native_dropout zeros_like ones_like".split())
_NORMS = set(
    "native_batch_norm cudnn_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training "
    "_batch_norm_no_update _batch_norm_with_update".split()
)
_RESHAPES = set("view _unsafe_view reshape _reshape_alias unsqueeze squeeze expand permute transpose t select".split())
_ALONG = {"cat", "split", "split_with_sizes", "unbind", "_softmax", "_log_softmax"}  # along one dimension
_POOLS = {"max_pool2d": "max pooling", "max_pool2d_with_indices": "max pooling", "avg_pool2d": "average pooling"}


@torch.inference_mode(False)  # where it is on, an operation is not taken apart into basic ones
def trace(model: nn.Module, input_size: Pair = 224, channels: int = 3) -> Geometry:
    """The geometry of any torch module with 2-D maps, residual and parallel branches included.

    The module runs once, in evaluation mode, on shapes only (no values, no memory), and is left unchanged.

    Args:
        model: an `nn.Module` that takes (N, channels, H, W).
        input_size: pixels, one number or (H, W).
        channels: of the input.

    Returns:
        A row for each convolution and pooling in the order in which they run, and the geometry of what each module
        gives, by the module's name.

    Raises:
        ValueError: an operation mixes positions in a way that has no single receptive field (upsampling,
            attention, a pooled map multiplied back), or that is not known; or the module cannot run on shapes.

    Source: the arithmetic of chapter 01, of each operation that runs.
    """
    input_size = image_size(input_size)
    # A copy: modes, buffers and hooks of `model` stay as they are.
    shadow = probing.copied(model, lambda tensor: torch.empty_like(tensor, device="meta")).eval()
    dtype = next((p.dtype for p in shadow.parameters() if p.is_floating_point()), torch.get_default_dtype())
    tracer = _Tracer(shadow)
    with register_module_forward_pre_hook(tracer.enter), register_module_forward_hook(tracer.leave, always_call=True):
        with torch.no_grad(), torch.device("meta"):
            image = torch.empty(2, channels, *input_size, dtype=dtype)
            tracer.remember(image, (Axis(input_size[0]), Axis(input_size[1])))
            try:
                with tracer:
                    shadow(image)
            except ValueError:
                raise
            except Exception as error:
                what = f"(N, {channels}, {input_size[0]}, {input_size[1]})"
                raise ValueError(f"the {type(model).__name__} cannot run on shapes only, on images {what}") from error
    return Geometry(type(model).__name__, input_size, tuple(tracer.rows), tracer.places)


def cell_centre(model: nn.Module, input_size: Pair) -> tuple[float, float]:
    """The middle pixel of cell (0, 0)'s field in the last map, (along the height, along the width).

    It is 0 for every ResNet and DRN. For `lite.LiteNetwork`, whose padding depends on the sizes of its maps, it is 31
    for images of 224 px as trained and under the rule `exact`, and 55 under `levels` at output stride 8.

    Args:
        model: has `last_map`, like the networks of the library.
        input_size: pixels, one number or (H, W).
    """
    place = trace(_LastMap(model), input_size).modules["end"]
    return place.height.centre, place.width.centre


class _LastMap(nn.Module):
    """A network up to the map that its classifier reads, which leaves the module `end`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.end = model, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.model.last_map(x))


class _Tracer(TorchDispatchMode):
    """Carries the geometry of every tensor that comes from the input."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names = {module: name for name, module in model.named_modules()}
        self.running: list[str] = []
        self.rows = []
        self.places: dict[str, Place] = {}
        # By their memory all tensors that were seen, with their geometry; kept, so that an id stays its own.
        self.known: dict[int, dict[int, tuple[Tensor, Axes | str | None]]] = {}

    def sharing(self, tensor: Tensor) -> dict[int, tuple[Tensor, Axes | str | None]]:
        """What shares its memory with `tensor`."""
        return self.known.setdefault(tensor.untyped_storage()._cdata, {})

    def remember(self, tensor: Tensor, state: Axes | str | None) -> None:
        self.sharing(tensor)[id(tensor)] = (tensor, state)

    def state(self, value: Any) -> Axes | str | None:
        """The geometry of a tensor; one that was not seen (`.data`) is a view of what shares its memory."""
        if not isinstance(value, Tensor):
            return None
        views = self.sharing(value)
        if id(value) not in views:
            like = [state for view, state in views.values() if memory.layout(view) == memory.layout(value)]
            others = {state for _, state in views.values()} - {None}
            views[id(value)] = (value, like[-1] if like else STALE if others else None)
        return views[id(value)][1]

    def write(self, op: str, written: Tensor, state: Axes | str) -> None:
        """Carry what was written into one tensor to all that share its memory."""
        for view, before in list(self.sharing(written).values()):
            if view is written or memory.layout(view) == memory.layout(written):
                self.remember(view, state)
            elif (aligned := memory.aligned(view, written)) is not None:
                grids = [known for known in (before, state) if known is not None]
                same = aligned and NO_GRID not in grids and STALE not in grids
                self.remember(view, self.merge(op, grids) if same else STALE)

    def enter(self, module: nn.Module, inputs: Any) -> None:
        self.running.append(self.names.get(module, type(module).__name__))

    def leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        name = self.running.pop()
        state = self.state(output)
        if name and isinstance(state, tuple):
            self.places[name] = Place(name, *state)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        inputs = _tensors([args, kwargs])
        sources = [tensor for tensor in inputs if self.state(tensor) is not None]
        states = [self.state(tensor) for tensor in sources]
        out = func(*args, **(kwargs or {}))
        state = self.step(func, args, states, out) if states else None
        for tensor in _tensors(out):
            if not any(tensor is one for one in inputs):
                self.remember(tensor, state)
            elif any(one is not tensor for one in sources):  # else each cell got what comes from itself
                self.write(func.overloadpacket.__name__, tensor, state)
        return out

    def step(self, func: Any, args: tuple, states: list[Axes | str], out: Any) -> Axes | str:
        """The geometry of what the operation `func` returns."""
        op = func.overloadpacket.__name__
        if STALE in states:
            self.fail(op, "reads a view of memory that was changed in place at other places")
        if NO_GRID in states:
            if op == "convolution" or op in _POOLS or len(set(states)) > 1:
                self.fail(op, "reads a tensor that is no longer a grid of equal cells")
            return NO_GRID
        if op.startswith("upsample"):
            return NO_GRID  # between the old cells the fields differ from cell to cell
        if op in _STEPS:
            return _STEPS[op](self, op, args, states[0], out)
        if op in _ALONG:
            self.check_dimension(op, args)
        elif op not in _POINTWISE and torch.Tag.pointwise not in func.tags:
            self.fail(op, "is not known to keep positions apart")
        return self.merge(op, states)

    def check_dimension(self, op: str, args: tuple) -> None:
        """Raise where an operation along one dimension works along height or width."""
        position = 2 if op.startswith("split") else 1  # where the operation takes its dimension
        dim, ndim = (args[position] if len(args) > position else 0), _tensors(args[0])[0].ndim
        if dim % ndim >= ndim - 2:
            self.fail(op, "works across positions")

    def name(self, op: str) -> str:
        """The innermost named module that runs now; outside of all, the operation."""
        return next((name for name in reversed(self.running) if name), op)

    def fail(self, op: str, why: str) -> NoReturn:
        where = f"in {self.name('')!r}" if self.name("") else "in the model's forward"
        raise ValueError(f"{op} {where} {why}, so no receptive field can be traced; trace the part before it")

    def layer(self, layer: Layer, axes: Axes, size: tuple[int, int] | None = None) -> Axes:
        self.rows.append(make_row(layer, axes, size))
        return self.rows[-1].height, self.rows[-1].width

    def normalize(self, op: str, args: tuple, axes: Axes, out: Any) -> Axes:
        # The copy is in evaluation mode: a layer that still asks for statistics takes them from the map itself.
        if any(arg is True for arg in args) or op == "_batch_norm_with_update":
            self.fail(op, "normalizes by statistics of the whole map")
        return axes

    def convolution(self, op: str, args: tuple, axes: Axes, out: Tensor) -> Axes:
        image, weight, _, stride, padding, dilation, transposed = args[:7]
        axes = self.state(image)  # the first state of the operation may be its weight's
        if axes is None or weight.ndim != 4 or self.state(weight) is not None:
            self.fail(op, "is not a 2-D convolution of the map with fixed weights")
        if transposed:
            self.fail(op, "is transposed: the field of a cell depends on the cell")
        kernel, stride, dilation, padding = map(_short, (weight.shape[-2:], stride, dilation, padding))
        return self.layer(Layer(self.name(op), kernel, stride, dilation, padding), axes, tuple(out.shape[-2:]))

    def pooling(self, op: str, args: tuple, axes: Axes, out: Any) -> Axes:
        kernel = _short(args[1])
        stride = _short(args[2]) if len(args) > 2 and len(args[2]) else kernel
        padding = _short(args[3]) if len(args) > 3 else 0
        dilation = _short(args[4]) if len(args) > 4 and op != "avg_pool2d" else 1
        layer = Layer(self.name(op), kernel, stride, dilation, padding, _POOLS[op])
        return self.layer(layer, axes, tuple(_tensors(out)[0].shape[-2:]))

    def adaptive(self, op: str, args: tuple, axes: Axes, out: Tensor) -> Axes:
        made = tuple(out.shape[-2:])
        if any(axis.size % side for axis, side in zip(axes, made, strict=True)):
            self.fail(op, "pools windows of unequal sizes")
        kernel = _short(axis.size // side for axis, side in zip(axes, made, strict=True))
        return self.layer(Layer(self.name(op), kernel, kernel, kind="average pooling"), axes, made)

    def reduction(self, op: str, args: tuple, axes: Axes, out: Any) -> Axes | str:
        """Over channels: the map stays. Over both axes: one cell that sees everything."""
        ndim = args[0].ndim
        dims = {dim % ndim for dim in args[1]} if len(args) > 1 and args[1] else set(range(ndim))
        keepdim = len(args) > 2 and bool(args[2])
        pooled_axes = len(dims & {ndim - 2, ndim - 1})
        if pooled_axes == 1:
            self.fail(op, "mixes the positions of one axis")
        if pooled_axes == 0:
            return axes
        sizes = _short(axis.size for axis in axes)
        pooled = self.layer(Layer(self.name(op), sizes, sizes, kind="global pooling"), axes)
        return pooled if keepdim else NO_GRID

    def reshape(self, op: str, args: tuple, axes: Axes, out: Tensor) -> Axes | str:
        """A map stays a map where its last two dimensions stay in place."""
        ndim = args[0].ndim
        moved = {
            "transpose": lambda: args[1:3],
            "select": lambda: args[1:2],
            "permute": lambda: [old for new, old in enumerate(args[1]) if old % ndim != new],
        }.get(op, tuple)()
        kept = out.ndim >= 2 and tuple(out.shape[-2:]) == (axes[0].size, axes[1].size)
        return axes if kept and all(dim % ndim < ndim - 2 for dim in moved) else NO_GRID

    def pad(self, op: str, args: tuple, axes: Axes, out: Tensor) -> Axes:
        left, _, top, _ = [*args[1], 0, 0][:4]
        return tuple(
            Axis(size, axis.jump, axis.first - before * axis.jump, axis.last - before * axis.jump)
            for axis, before, size in zip(axes, (top, left), out.shape[-2:], strict=True)
        )

    def slice(self, op: str, args: tuple, axes: Axes, out: Tensor) -> Axes:
        image, dim, start, _, step = [*args, *(None,) * (5 - len(args))]
        index, start = (dim or 0) % image.ndim - (image.ndim - 2), start or 0
        if index < 0:
            return axes
        old = axes[index]
        start = min(max(start + (old.size if start < 0 else 0), 0), old.size)
        shift = start * old.jump
        new = Axis(out.shape[-2 + index], old.jump * (step or 1), old.first + shift, old.last + shift)
        return (new, axes[1]) if index == 0 else (axes[0], new)

    def merge(self, op: str, states: list[Axes]) -> Axes:
        """The union of the fields: the longest path."""
        merged = []
        for parts in zip(*states, strict=True):
            if len({(axis.size, axis.jump) for axis in parts}) > 1:
                sizes = " and ".join(str(axis.size) for axis in parts)
                self.fail(op, f"joins maps of different grids ({sizes} cells)")
            merged.append(Axis(parts[0].size, parts[0].jump, min(a.first for a in parts), max(a.last for a in parts)))
        return tuple(merged)


_STEPS = {  # the method that carries the geometry through an operation, by the operation's name
    "convolution": _Tracer.convolution,
    "_adaptive_avg_pool2d": _Tracer.adaptive,
    "constant_pad_nd": _Tracer.pad,
    "slice": _Tracer.slice,
    **dict.fromkeys(_POOLS, _Tracer.pooling),
    **dict.fromkeys(("mean", "sum", "amax"), _Tracer.reduction),
    **dict.fromkeys(_RESHAPES, _Tracer.reshape),
    **dict.fromkeys(_NORMS, _Tracer.normalize),
}


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for item in value for tensor in _tensors(item)] if isinstance(value, (list, tuple)) else []


def _short(values: Any) -> int | tuple[int, int]:
    """(3, 3) as 3; (1, 7) as it is; [2] as 2."""
    values = tuple(values)
    return values[0] if len(set(values)) == 1 else values
