"""The arithmetic against torch's shapes, the published table, and the support of gradients."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from drn_lib import geometry
from drn_lib.architecture import architecture, dilation_rules, list_models
from drn_lib.geometry.axis import Layer
from drn_lib.network import create_model

NETWORKS = [(name, rule) for name in list_models() for rule in dilation_rules(name) or (None,)]
SHALLOW = [(name, rule) for name, rule in NETWORKS if name.endswith(("_18", "_22", "_26"))]
DEFAULTS = [(name, None) for name in list_models() if (name, None) not in SHALLOW]

sizes = st.integers(1, 40)
layer_rows = st.builds(
    Layer, st.just("layer"), st.integers(1, 5), st.integers(1, 3), st.integers(1, 4), padding=st.integers(0, 6)
)


@settings(deadline=None)
@given(sizes, layer_rows)
def test_output_size_is_torch_s(size, layer):
    k, s, d, p = layer.kernel, layer.stride, layer.dilation, layer.padding
    conv = nn.Conv1d(1, 1, k, s, p, d)
    if size + 2 * p < geometry.dilated_extent(k, d):
        with pytest.raises(ValueError, match="does not fit"):
            geometry.output_size(size, k, s, p, d)
    else:
        assert geometry.output_size(size, k, s, p, d) == conv(torch.zeros(1, 1, size)).shape[-1]


def test_dilation_1_is_the_ordinary_convolution():
    assert geometry.dilated_extent(3) == 3 and geometry.dilated_extent(3, 4) == 9
    with pytest.raises(ValueError, match="start at 1"):
        geometry.dilated_extent(3, 0)


@settings(deadline=None)
@given(sizes, sizes, layer_rows)
def test_live_taps_are_counted(height, width, layer):
    """A kernel of ones on a map of ones counts its live taps."""
    k, s, d, p = layer.kernel, layer.stride, layer.dilation, layer.padding
    if min(height, width) + 2 * p < geometry.dilated_extent(k, d):
        return
    counted = F.conv2d(torch.ones(1, 1, height, width), torch.ones(1, 1, k, k), None, s, p, d)
    fraction = geometry.live_taps((height, width), k, d, p, s)
    assert fraction == pytest.approx(counted.mean().item() / k**2, abs=1e-6)


def test_a_wide_kernel_on_a_small_map_reads_padding():
    assert geometry.live_taps(8, 3, dilation=4) == pytest.approx(4 / 9)
    assert geometry.live_taps(28, 3, dilation=4) > 0.8


FIELDS = {
    ("resnet_18", None): 435, ("resnet_34", None): 899, ("resnet_50", None): 427,
    ("drn_a_18", "exact"): 435, ("drn_a_34", "exact"): 899, ("drn_a_50", "exact"): 427,
    ("drn_a_18", "levels"): 483, ("drn_a_34", "levels"): 947, ("drn_a_50", "levels"): 475,
    ("drn_a_18", "released"): 355, ("drn_a_34", "released"): 819, ("drn_a_50", "released"): 411,
    ("drn_c_26", "levels"): 581, ("drn_c_42", "levels"): 1045, ("drn_c_58", "levels"): 573,
    ("drn_d_22", "levels"): 527, ("drn_d_38", "levels"): 991, ("drn_d_54", "levels"): 519,
    ("drn_d_105", "levels"): 1063,
}  # fmt: skip


@pytest.mark.parametrize(("name", "rule"), FIELDS)
def test_receptive_fields(name, rule):
    assert geometry.receptive_field(architecture(name, rule)) == FIELDS[name, rule]


def test_receptive_fields_by_level():
    places = geometry.table("drn_c_26").levels
    assert {level: place.receptive_field for level, place in places.items()} == {
        1: 11, 2: 17, 3: 45, 4: 101, 5: 229, 6: 485, 7: 549, 8: 581
    }  # fmt: skip
    assert geometry.receptive_field("drn_c_26", level=6) == 485
    with pytest.raises(KeyError, match="has levels"):
        geometry.receptive_field("resnet_18", level=8)


@pytest.mark.parametrize("size", [224, 100, (97, 161)])
@pytest.mark.parametrize(("name", "rule"), SHALLOW)
def test_table_has_the_sizes_of_the_maps(name, rule, size):
    with torch.device("meta"):
        model = create_model(name, dilation_rule=rule)
    height, width = (size, size) if isinstance(size, int) else size
    maps = model.features(torch.empty(1, 3, height, width, device="meta"))
    levels = geometry.table(architecture(name, rule), size).levels
    assert [(level, place.size) for level, place in levels.items()] == [
        (k, tuple(v.shape[-2:])) for k, v in maps.items()
    ]
    assert [(k, place.jump) for k, place in levels.items()] == [(i.level, i.reduction) for i in model.feature_info]


@pytest.mark.parametrize(("name", "rule"), NETWORKS)
def test_every_cell_s_centre_is_pixel_0(name, rule):
    """Odd kernels padded by d(k - 1)/2 keep cell i over pixel `jump * i`."""
    assert {row.centre for row in geometry.table(architecture(name, rule)).rows} == {0.0}


def test_table_takes_any_chain():
    rows = geometry.table([Layer("a", 4, 2), Layer("b", 3, 1, 2)], 16).rows
    assert [row.size for row in rows] == [(7, 7), (3, 3)]
    assert (rows[1].receptive_field, rows[1].jump, rows[1].start, rows[1].centre) == (12, 2, 0, 5.5)
    with pytest.raises(ValueError, match="does not fit"):
        geometry.table([Layer("a", 9, 1, 4)], 16)


def test_no_torch_for_tables():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from drn_lib import geometry\n"
        "print(geometry.table('drn_a_18').levels[6].receptive_field)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "435\n"


@pytest.mark.parametrize(("name", "rule"), SHALLOW + DEFAULTS)
def test_trace_equals_table(name, rule):
    """The table and the module it builds, read independently of each other."""
    with torch.device("meta"):
        model = create_model(name, dilation_rule=rule)
    traced, table = geometry.trace(model, 224), geometry.table(architecture(name, rule), 224)
    assert [traced.row(row.name) for row in table.rows] == list(table.rows)
    assert traced.levels == table.levels


@pytest.mark.parametrize(
    ("name", "module", "field"),
    [("resnet18", "layer4", 435), ("resnet50", "layer4", 427), ("alexnet", "features", 195), ("vgg16", "features", 212)]
    + [("densenet121", "features", 2071), ("googlenet", "inception5b", 379)],
)
def test_trace_of_known_networks(name, module, field):
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(**({"init_weights": False} if name == "googlenet" else {}))
    assert geometry.trace(model).modules[module].receptive_field == field


class Branches(nn.Module):
    """What DenseNet, Inception and option-A shortcuts do: concatenate, pad, slice, branch, add."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 4, 2, 1)
        self.wide = nn.Conv2d(4, 4, (1, 7), padding=(0, 3))
        self.far = nn.Conv2d(4, 4, 3, padding=3, dilation=3)
        self.mix = nn.Conv2d(12, 8, 2, stride=2)
        self.last = nn.Conv2d(8, 16, 3, 2, 1)

    def forward(self, x):
        x = self.first(x)
        x = torch.cat([x, self.wide(x).relu(), self.far(x)], 1)
        x = F.avg_pool2d(self.mix(F.pad(x, (2, 1, 0, 3))), 3, 1, 1)
        return self.last(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))


def _positive(model):
    """Weights above zero and normalization switched off: then nothing cancels and no ReLU is shut."""
    model = model.double().eval()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            module.weight.data /= module.weight[0].numel()
    return model


def _support(maps, image, row, column):
    """Pixel edges (left, top, right, bottom) of the non-zero gradient of one cell."""
    (gradient,) = torch.autograd.grad(maps[0, :, row, column].sum(), image, retain_graph=True)
    rows, columns = (gradient[0].abs().sum(0).sum(axis).nonzero().flatten() for axis in (1, 0))
    return columns[0].item(), rows[0].item(), columns[-1].item() + 1, rows[-1].item() + 1


def test_trace_of_branches_is_the_support_of_the_gradient():
    model = _positive(Branches())
    image = torch.rand(1, 3, 96, 120, dtype=torch.float64, requires_grad=True)
    maps = model(image)
    traced = geometry.trace(model, (96, 120))
    assert traced.rows[-1].size == tuple(maps.shape[-2:])
    assert _support(maps, image, 5, 7) == traced.rows[-1].field_box(5, 7)


@pytest.mark.parametrize(("name", "rule"), SHALLOW)
def test_field_is_the_support_of_the_gradient(name, rule):
    """At every level of every 18-, 22- and 26-deep network, in float64, on one row of 640 pixels.

    A max pooling passes its gradient to one of its inputs only. On a rising ramp (positive weights keep it rising)
    that is the last of each window, on a falling one the first; the two supports together are the field.
    """
    torch.manual_seed(0)
    model = _positive(create_model(name, num_classes=2, width=1 / 8, dilation_rule=rule))
    places = geometry.table(architecture(name, rule), (1, 640)).levels
    rising = torch.linspace(1, 2, 640, dtype=torch.float64).expand(1, 3, 1, 640)
    images = [ramp.clone().requires_grad_() for ramp in (rising, rising.flip(-1))]
    maps = [model.features(image) for image in images]
    for level, place in places.items():
        column = place.width.size // 2
        boxes = [_support(found[level], image, 0, column) for found, image in zip(maps, images, strict=True)]
        left, _, right, _ = place.field_box(0, column)
        assert left > 0 and right < 640, "the test needs a field that lies inside the image"
        assert (min(box[0] for box in boxes), max(box[2] for box in boxes)) == (left, right), f"level {level}"


def test_field_in_two_dimensions():
    model = _positive(create_model("drn_a_18", num_classes=2, width=1 / 8))
    model.pool = nn.AvgPool2d(3, 2, 1)  # same window, but its gradient reaches all of it
    image = torch.rand(1, 3, 480, 456, dtype=torch.float64, requires_grad=True)
    place = geometry.trace(model, (480, 456)).levels[6]
    assert _support(model.features(image)[6], image, 29, 28) == place.field_box(29, 28) == (7, 15, 442, 450)


def test_trace_leaves_the_model_unchanged():
    model = create_model("drn_c_26", num_classes=2, width=1 / 8).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    geometry.trace(model, 64)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert not torch.nn.modules.module._global_forward_hooks and not torch.nn.modules.module._global_forward_pre_hooks


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.forward = function


def attention(x):
    return nn.Conv2d(3, 3, 1)((x.flatten(2) @ x.flatten(2).mT @ x.flatten(2)).view(2, 3, 8, 8))


NO_GRID, ACROSS, UNKNOWN = "reads a tensor that is no longer a grid", "works across positions", "is not known to keep"
REFUSED = {
    "squeeze": (Call(lambda x: x * x.mean((2, 3), keepdim=True)), r"joins maps of different grids \(8 and 1 cells\)"),
    "two strides": (Call(lambda x: x[:, :, ::2, ::2] + x[:, :, :4, :4]), "joins maps of different grids"),
    "attention": (Call(attention), NO_GRID),
    "flip": (Call(lambda x: x.flip(-1)), UNKNOWN),
    "weights from the map": (Call(lambda x: F.conv2d(x, x[:, :, :3, :3])), "is not a 2-D convolution"),
    "along one axis": (Call(lambda x: F.conv1d(x[:, :, 0], torch.ones(3, 3, 1))), NO_GRID),
    "flattened": (Call(lambda x: F.max_pool2d(x.flatten(2)[:, None], 3)), NO_GRID),
    "transposed map": (Call(lambda x: x + x.transpose(2, 3)), NO_GRID),
    "transposed": (nn.ConvTranspose2d(3, 3, 4, 2, 1), "is transposed"),
    "upsampling": (nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 3, 3)), f"convolution in '1' {NO_GRID}"),
    "instance norm": (nn.InstanceNorm2d(3), "normalizes by statistics of the whole map"),
    "batch norm": (nn.BatchNorm2d(3, track_running_stats=False), "normalizes by statistics of the whole map"),
    "group norm": (nn.GroupNorm(1, 3), UNKNOWN),
    "adaptive": (nn.AdaptiveAvgPool2d(5), "pools windows of unequal sizes"),
    "adaptive along the width": (nn.AdaptiveAvgPool2d((4, 3)), "pools windows of unequal sizes"),
    "softmax along the width": (nn.Softmax(-1), ACROSS),
    "softmax along the height": (nn.Softmax(2), ACROSS),
    "cut along the height": (Call(lambda x: x.split(4, 2)[0]), ACROSS),
    "cut along the width": (Call(lambda x: x.split([3, 5], -1)[0]), ACROSS),
    "joined along the width": (Call(lambda x: torch.cat([x, x], 3)), ACROSS),
    "unbound along the height": (Call(lambda x: x.unbind(2)[0]), ACROSS),
    "mean of rows": (Call(lambda x: x.mean(2, keepdim=True)), "in the model's forward mixes the positions of one axis"),
    "sum of columns": (Call(lambda x: x.sum((1, -1))), "mixes the positions of one axis"),
    "circular": (nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular")), "in '0'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_trace_refuses_what_has_no_single_field_and_says_why(kind):
    model, why = REFUSED[kind]
    with pytest.raises(ValueError, match=f"{why}.*, so no receptive field can be traced"):
        geometry.trace(model, 8)


KEPT = {
    "channels": lambda x: torch.cat([x.split(2, 1)[0], x.unbind(1)[0][:, None], x.softmax(1)], 1).sum(1),
    "mean of channels": lambda x: x.mean(1) + x.amax((0, 1))[None],
    "images": lambda x: x.transpose(0, 1).permute(1, 0, 2, 3)[0].view(1, 3, 8, 6),
}


@pytest.mark.parametrize("kind", KEPT)
def test_what_mixes_channels_alone_keeps_the_map(kind):
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), Call(KEPT[kind]))
    place = geometry.trace(model, (8, 6)).modules["1"]
    assert (place.size, place.receptive_field, place.jump, place.start) == ((8, 6), 3, 1, -1)


def test_slices_and_pads_shift_the_grid():
    def places(function):
        return geometry.trace(nn.Sequential(Call(function)), (12, 10)).modules["0"]

    cut = places(lambda x: x[:, 1:, 3:, -4::3])
    assert (cut.height.size, cut.height.jump, cut.height.first) == (9, 1, 3)
    assert (cut.width.size, cut.width.jump, cut.width.first) == (2, 3, 6)
    wide = places(lambda x: F.pad(x, (2, 1, 4, 3)))
    assert (wide.size, wide.height.first, wide.width.first) == ((19, 13), -4, -2)
    assert places(lambda x: F.pad(x, (2, 1))).size == (12, 13) and places(lambda x: x[:, :, 20:]).size == (0, 10)


def test_a_pool_over_the_whole_map_sees_everything():
    for pool in (nn.AdaptiveAvgPool2d(1), Call(lambda x: x.mean((2, 3), keepdim=True))):
        row = geometry.trace(nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), pool), (12, 10)).rows[-1]
        assert row.layer.kernel == (6, 5) and row.size == (1, 1)
        assert (row.height.receptive_field, row.width.receptive_field) == (13, 11)


def test_cell_edges_of_a_drn():
    edges = [geometry.cell_edges(cell, jump=8, size=224) for cell in range(28)]
    assert edges[0] == (0, 4) and edges[1] == (4, 12) and edges[27] == (212, 220)
    assert geometry.cell_edges(27, 8, 224, convention="tile") == (216, 224)
    assert geometry.cell_edges(29, 8, 224) == (224, 224)  # wholly outside the image: empty
    with pytest.raises(ValueError, match="'centre' or 'tile'"):
        geometry.cell_edges(0, 8, 224, convention="middle")


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(-6, 12).map(lambda half: half / 2))
def test_cell_edges_tile_the_axis_around_the_centres(jump, centre):
    for cell in range(5, 9):
        low, high = geometry.cell_edges(cell, jump, 10_000, centre)
        assert geometry.cell_edges(cell + 1, jump, 10_000, centre)[0] == high
        assert all(2 * abs(pixel - centre - cell * jump) <= jump for pixel in range(low, high))
    lows = [geometry.cell_edges(cell, jump, 10_000, centre)[0] for cell in range(5, 9)]
    assert geometry.cell_edges(torch.arange(5, 9), jump, 10_000, centre)[0].tolist() == lows


def test_dilation_leaves_holes_where_stride_leaves_none():
    dilated = [Layer("a", 3, 1, 2, 2), Layer("b", 3, 1, 4, 4)]
    assert geometry.reach(dilated, 10) == {4: 1, 6: 1, 8: 2, 10: 1, 12: 2, 14: 1, 16: 1}
    strided = [Layer("a", 3, 2, 1, 1), Layer("b", 3, 2, 1, 1)]
    assert sorted(geometry.reach(strided, 5)) == list(range(17, 24))
    with pytest.raises(ValueError, match="not on the last map"):
        geometry.reach(dilated, 10, size=10)


@settings(max_examples=50, deadline=None)
@given(st.lists(layer_rows, min_size=1, max_size=4), st.data())
def test_reach_counts_paths_as_a_gradient_does(chain, data):
    """Through kernels of ones the gradient of a cell counts the paths."""
    image = torch.zeros(1, 1, 60, dtype=torch.float64, requires_grad=True)
    x, size = image, 60
    for layer in chain:
        if size + 2 * layer.padding < geometry.dilated_extent(layer.kernel, layer.dilation):
            return
        x = F.conv1d(x, x.new_ones(1, 1, layer.kernel), None, layer.stride, layer.padding, layer.dilation)
        size = x.shape[-1]
    cell = data.draw(st.integers(0, size - 1))
    (gradient,) = torch.autograd.grad(x[0, 0, cell], image)
    paths = geometry.reach(chain, cell, size=60)
    assert [paths.get(position, 0) for position in range(60)] == gradient[0, 0].tolist()
    everywhere = list(geometry.reach(chain, cell))
    left, _, right, _ = geometry.table(chain, 60).rows[-1].field_box(0, cell)
    assert (everywhere[0], everywhere[-1] + 1) == (left, right)


class InPlace(nn.Module):
    """A wide kernel's map is written into a part of the input, or into its view, before the next kernel reads it."""

    def __init__(self, change):
        super().__init__()
        self.wide, self.last, self.change = nn.Conv2d(8, 8, 5, padding=2), nn.Conv2d(8, 8, 3, padding=1), change

    def forward(self, x):
        x = x * 1.0
        return self.last(self.change(x, self.wide(x)))


def _then(x, *_):
    return x


PARTS = {
    "channels": lambda x, y: _then(x, x[:, 2:6].add_(y[:, 2:6])),
    "mul_": lambda x, y: _then(x, x[:, 2:6].mul_(y[:, 2:6])),
    "addcmul_": lambda x, y: _then(x, x[:, 2:6].addcmul_(y[:, 2:6], y[:, 2:6])),
    "cells": lambda x, y: _then(x, x[:, :, 1:, 1:].add_(y[:, :, 1:, 1:])),
    "select": lambda x, y: _then(x, x[:, 0].add_(y[:, 0])),
    "chunk": lambda x, y: _then(x, x.chunk(2, 1)[0].add_(y.chunk(2, 1)[0])),
    "unbind": lambda x, y: _then(x, x.unbind(1)[0].add_(y.unbind(1)[0])),
    "transposed": lambda x, y: _then(x, x.transpose(0, 1).add_(y.transpose(0, 1))),
    "reshaped": lambda x, y: _then(x, x.view(2, 4, 2, 16, 16).add_(y.view(2, 4, 2, 16, 16))),
    "out": lambda x, y: _then(x, torch.add(x[:, :4], y[:, :4], out=x[:, :4])),
}
WHOLE = {
    "detach": lambda x, y: _then(x, x.detach().add_(y)),
    "data": lambda x, y: _then(x, x.data.add_(y)),
    "the map itself": lambda x, y: x.add_(y),
    "the map, kept": lambda x, y: _then(x, x.add_(y)),
    "out": lambda x, y: _then(x, torch.add(x, y, out=x)),
}


@pytest.mark.parametrize("change", PARTS.values(), ids=PARTS)
def test_a_part_that_is_changed_in_place_is_refused(change):
    with pytest.raises(ValueError, match="in place"):
        geometry.trace(InPlace(change), 16, channels=8)


@pytest.mark.parametrize("change", WHOLE.values(), ids=WHOLE)
def test_a_map_that_is_changed_in_place_has_the_wider_field(change):
    assert geometry.trace(InPlace(change), 16, channels=8).row("last").receptive_field == 7


def test_a_relu_in_place_on_a_part_changes_no_field():
    model = InPlace(lambda x, y: _then(y, y[:, :4].relu_()))
    assert geometry.trace(model, 16, channels=8).row("last").receptive_field == 7


def test_a_model_that_keeps_an_activation_is_traced():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    model[1].register_forward_hook(lambda module, inputs, output: setattr(module, "kept", output))
    model(torch.randn(1, 3, 8, 8))
    assert geometry.trace(model, 8).row("0").receptive_field == 3
    old = nn.Sequential(torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 5, padding=2)))
    assert geometry.trace(old, 8).rows[-1].receptive_field == 5
