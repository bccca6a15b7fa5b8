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
    with pytest.raises(ValueError, match="must be a whole number of 1 or more"):
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


@pytest.mark.parametrize("wrong", [3, None, [3, 1], [(3, 1)], b"drn", {"a": 1}], ids=repr)
def test_a_chain_is_of_layers(wrong):
    for measure in (geometry.receptive_field, geometry.table):
        with pytest.raises(ValueError, match="a layer of the chain must be of type Layer, not"):
            measure(wrong)
        with pytest.raises(ValueError, match="a chain has at least one layer"):
            measure(())
    assert geometry.receptive_field(layer for layer in geometry.layers("drn_c_26")) == 581


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


def test_it_is_the_same_in_inference_mode():
    model = torch.nn.Sequential(torch.nn.ZeroPad2d((0, 1, 2, 0)), torch.nn.Conv2d(3, 4, 3, 2), torch.nn.ReLU())
    with torch.inference_mode():
        found = geometry.trace(model, 32)
    assert found == geometry.trace(model, 32) and (
        found.modules["2"].height.centre,
        found.modules["2"].width.centre,
    ) == (-1, 1)


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
    with pytest.raises(ValueError, match="no convention of cell edges called 'middle'"):
        geometry.cell_edges(0, 8, 224, convention="middle")


class Tries(torch.nn.Module):
    """Goes on after a part of it has failed."""

    def __init__(self):
        super().__init__()
        self.conv, self.fails = torch.nn.Conv2d(3, 4, 3, 2, 1), Fails()

    def forward(self, x):
        try:
            x = self.fails(x)
        except KeyError:
            x = torch.nn.functional.max_pool2d(x, 2)
        return torch.nn.functional.max_pool2d(self.conv(x), 2)


class Fails(torch.nn.Module):
    def forward(self, x):
        raise KeyError


def test_a_part_that_failed_lends_its_name_to_nothing():
    def names(model):
        return [(row.name, row.receptive_field) for row in geometry.trace(model, 64).rows]

    class Plain(Tries):
        def forward(self, x):
            x = torch.nn.functional.max_pool2d(x, 2)
            return torch.nn.functional.max_pool2d(self.conv(x), 2)

    assert names(Tries()) == names(Plain()) and [field for _, field in names(Tries())] == [2, 6, 10]


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(-6, 12).map(lambda half: half / 2))
def test_cell_edges_tile_the_axis_around_the_centres(jump, centre):
    for cell in range(5, 9):
        low, high = geometry.cell_edges(cell, jump, 10_000, centre)
        assert geometry.cell_edges(cell + 1, jump, 10_000, centre)[0] == high
        assert all(2 * abs(pixel - centre - cell * jump) <= jump for pixel in range(low, high))
    lows = [geometry.cell_edges(cell, jump, 10_000, centre)[0] for cell in range(5, 9)]
    assert geometry.cell_edges(torch.arange(5, 9), jump, 10_000, centre)[0].tolist() == lows


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(0, 24).map(lambda half: half / 2), st.integers(1, 40))
def test_measured_cells_share_out_every_pixel_of_the_image(jump, centre, size):
    cells = range(-(-size // jump))
    edges = [geometry.cell_edges(cell, jump, size, centre, "measured") for cell in cells]
    inside = [cell for cell in cells if centre + cell * jump <= size - 1]
    for pixel in range(size if inside else 0):
        nearest = min(inside, key=lambda cell: (abs(centre + cell * jump - pixel), -cell))
        assert next(cell for cell, (low, high) in enumerate(edges) if low <= pixel < high) == nearest
    assert all(low < high <= size for low, high in edges)
    low, high = geometry.cell_edges(torch.tensor(cells), jump, size, centre, "measured")
    assert list(zip(low.tolist(), high.tolist())) == edges


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


# In-place operations, measured by perturbing the image


class Inplace(nn.Module):
    """A 1x1 map x and a 5x5 map y of the image; `change` writes into x or makes a map of both, which a 3x3 reads."""

    def __init__(self, change, channels=8):
        super().__init__()
        self.narrow, self.wide = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 5, padding=2)
        self.last = nn.Conv2d(channels, 2, 3, padding=1)
        self.change = change

    def forward(self, image):
        return self.last(self.change(self.narrow(image), self.wide(image)))


def measured_field(model, size=15):
    """Rows and columns of a random image that change the middle cell of the map, from the first to the last."""
    image = torch.rand(1, 3, size, size, dtype=torch.float64)
    moved = image.repeat(2 * size + 1, 1, 1, 1)
    for place in range(size):
        moved[place, :, place] += 0.5
        moved[size + place, :, :, place] += 0.5
    with torch.no_grad():
        cells = model(moved)[..., size // 2, size // 2]
    read = (cells[:-1] != cells[-1]).any(1).view(2, size)
    return [places.nonzero().max().item() - places.nonzero().min().item() + 1 for places in read]


FOLLOWED = {  # the 3x3 reads x afterwards, and with it the 5x5
    "add_": lambda x, y: x[:, 2:6].add_(y[:, 2:6]),
    "mul_": lambda x, y: x[:, 2:6].mul_(y[:, 2:6]),
    "sub_": lambda x, y: x[:, 2:6].sub_(y[:, 2:6]),
    "addcmul_": lambda x, y: x[:, 2:6].addcmul_(y[:, 2:6], y[:, 2:6]),
    "lerp_": lambda x, y: x[:, 2:6].lerp_(y[:, 2:6], 0.5),
    "select": lambda x, y: x[:, 3].add_(y[:, 3]),
    "detach": lambda x, y: x.detach().add_(y),
    ".data": lambda x, y: x.data.add_(y),
    ".data of a slice": lambda x, y: x[:, :2].data.add_(y[:, :2]),
    "chunk": lambda x, y: x.chunk(2, 1)[1].add_(y[:, 4:]),
    "split": lambda x, y: x.split([3, 5], 1)[0].add_(y[:, :3]),
    "unbind": lambda x, y: x.unbind(1)[7].add_(y[:, 7]),
    "view of a view": lambda x, y: x[:, 1:][:, 1:3].add_(y[:, :2]),
    "unsqueeze": lambda x, y: x.unsqueeze(1).add_(y.unsqueeze(1)),
    "every second channel": lambda x, y: x[:, ::2].add_(y[:, ::2]),
    "channels transposed": lambda x, y: x.transpose(0, 1).add_(y.transpose(0, 1)),
    "one after the other": lambda x, y: x[:, :2].add_(x[:, 2:4].add_(y[:, 2:4])),
    "out": lambda x, y: torch.add(x[:, :4], y[:, :4], out=x[:, 4:]),
    "the whole": lambda x, y: x.add_(y),
    "the whole, by out": lambda x, y: torch.mul(x, y, out=x),
}
UNSEEN = {  # cells come to lie at other places, or the operation is not known
    "rows": lambda x, y: x[:, :, 1:].add_(y[:, :, 1:]),
    "cells": lambda x, y: x[:, :, 1:-1, 1:-1].add_(y[:, :, 1:-1, 1:-1]),
    "every second row": lambda x, y: x[:, :, ::2].add_(y[:, :, ::2]),
    "one column": lambda x, y: x.select(3, 4).add_(y.select(3, 4)),
    "moved by a row": lambda x, y: x[:, :, 1:].add_(y[:, :, :-1]),
    "flat": lambda x, y: x.flatten(2).add_(y.flatten(2)),
    "transposed": lambda x, y: x.mT.add_(y.mT),
    "turned": lambda x, y: x.mT.add_(y),
    "permuted": lambda x, y: x.permute(0, 2, 3, 1).add_(y.permute(0, 2, 3, 1)),
    "copy_": lambda x, y: x[:, 2:6].copy_(y[:, 2:6]),
    "assignment": lambda x, y: x.__setitem__((slice(None), slice(4)), y[:, :4]),
    "index_put_": lambda x, y: x.index_put_((torch.zeros(1, dtype=torch.int64),), y[:1]),
    "index_add_": lambda x, y: x.index_add_(1, torch.zeros(8, dtype=torch.int64), y),
    "as_strided": lambda x, y: x.as_strided(x.shape, x.stride()).add_(y),
    "masked_fill_": lambda x, y: x[:, 2:6].masked_fill_(y[:, 2:6] > 0, 1.0),
    "unfold": lambda x, y: x.unfold(2, 3, 3).add_(1),
}


def after(write, read):
    """Reads a view that was taken before the writing."""

    def change(x, y):
        view = read(x)
        write(x, y)
        return view

    return change


def exchanged(x, y):
    x.data = y
    return x


def preallocated(x, y):
    room = torch.zeros(x.shape[0], 16, *x.shape[2:], dtype=x.dtype)
    room[:, :8].add_(x)
    room[:, 8:].add_(y)
    return room


def second_hand(x, y):
    halves = x.chunk(2, 1)
    halves[0].add_(y[:, :4])
    halves[1].add_(halves[0])
    return halves[1]


READ = {  # what the 3x3 reads, its channels and its field; None for a refusal
    "a view taken before": (after(FOLLOWED["add_"], lambda x: x[:, 1:4]), 3, 7),
    "a twin taken before": (after(FOLLOWED["add_"], lambda x: x.detach()), 8, 7),
    "channels that were not touched": (after(FOLLOWED["add_"], lambda x: x[:, :2]), 2, 3),
    "the other half": (after(FOLLOWED["chunk"], lambda x: x.chunk(2, 1)[0]), 4, 3),
    "a half at second hand": (second_hand, 4, 7),
    "room for both": (preallocated, 16, 7),
    "the room of x alone": (lambda x, y: preallocated(x, y)[:, :8], 8, 7),  # the fields of a map's channels are one
    "exchanged memory": (exchanged, 8, 7),
    "only itself": (lambda x, y: x.mul_(2).relu_().clamp_(-9, 9).mul_(x), 8, 3),
    "a part by itself": (after(lambda x, y: x[:, 2:6].relu_().mul_(2), lambda x: x), 8, 3),
    "by a constant": (after(lambda x, y: x.mul_(torch.ones(8, 1, 1)), lambda x: x.view(x.shape)), 8, 3),
    "rows taken before": (after(FOLLOWED["the whole"], lambda x: x[:, :, 1:]), 8, None),
    "rows taken after": (lambda x, y: x.add_(y)[:, :, 1:], 8, 7),
    "turned before": (after(FOLLOWED["mul_"], lambda x: x.mT), 8, None),
}


@pytest.mark.parametrize("case", [*FOLLOWED, *READ])
def test_what_is_written_in_place_counts_into_the_field(case):
    torch.manual_seed(0)
    write = FOLLOWED.get(case)
    change, channels, field = (after(write, lambda x: x), 8, 7) if write else READ[case]
    model = Inplace(change, channels).double()
    if field is None:
        with pytest.raises(ValueError, match="no receptive field can be traced"):
            geometry.trace(model, 15)
        return
    assert geometry.trace(model, 15).row("last").receptive_field == field
    true = 3 if case == "the room of x alone" else field
    assert measured_field(model) == [true, true]


@pytest.mark.parametrize("case", UNSEEN)
def test_what_is_written_out_of_place_is_refused(case):
    with pytest.raises(ValueError, match="no receptive field can be traced"):
        geometry.trace(Inplace(after(UNSEEN[case], lambda x: x)), 15)


class Keeping(nn.Module):
    """Tensors with a history and plain ones, and the normalization of the image inside."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.mean, self.kept = torch.full((3, 1, 1), 0.5), []

    def forward(self, x):
        self.kept.append(self.conv(x - self.mean))
        return self.kept[-1]


def test_modules_that_keep_tensors_are_traced():
    model = Keeping()
    model(torch.rand(2, 3, 8, 8))
    assert not model.kept[0].is_leaf
    assert geometry.trace(model, 8).rows[-1].receptive_field == 3
    assert len(model.kept) == 1 and not model.kept[0].is_meta and not model.mean.is_meta
    with pytest.warns(FutureWarning):
        net = nn.Sequential(torch.nn.utils.weight_norm(nn.Conv2d(3, 4, 3, padding=1)), nn.ReLU())
    net(torch.rand(1, 3, 8, 8))
    assert geometry.trace(net, 8).rows[-1].receptive_field == 3


@pytest.mark.parametrize(
    "model",
    [
        nn.Conv2d(1, 4, 3),
        Call(lambda x: x * x.sum().item()),
        Call(lambda x: x.numpy()),
        Call(lambda x: x + {}["missing"]),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(7, 2)),
        nn.LazyConv2d(2, 3),
    ],
    ids=["channels", "a value", "an array", "an error of its own", "sizes", "lazy"],
)
def test_what_cannot_run_on_shapes_is_one_sentence(model):
    with pytest.raises(ValueError) as caught:
        geometry.trace(model, 8)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "9", None, (3,), (3, 3, 3), (), (9, 0), (9, 9.0)])
def test_a_size_that_is_none_is_one_sentence(size):
    for look in (geometry.trace, geometry.table):
        with pytest.raises(
            ValueError, match="a side of the image must be a whole number of 1|one number or two"
        ) as caught:
            look(nn.Conv2d(3, 4, 3, padding=1) if look is geometry.trace else "drn_c_26", size)
        assert "\n" not in str(caught.value)
    assert geometry.table("drn_c_26", [64, 32]).input_size == (64, 32)


@pytest.mark.parametrize("name", ["size", "kernel", "stride", "padding", "dilation"])
@pytest.mark.parametrize("value", [-1, 2.5, True, "3", float("nan")])
def test_numbers_of_cells_are_whole(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of [01] or more, not"):
        geometry.output_size(**{"size": 33, "kernel": 3, name: value})


def test_a_layer_has_one_number_or_two():
    with pytest.raises(ValueError, match="one number or two, along the height and the width, are needed, not"):
        geometry.live_taps(8, (3, 3, 3))


def test_a_long_chain_has_a_receptive_field_too():
    chain = [Layer(str(place), 2, 2) for place in range(13)]
    assert geometry.receptive_field(chain) == 2**13
