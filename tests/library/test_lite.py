"""EfficientNet-Lite0: TensorFlow's padding, dilated by the three rules, and where its cells truly lie."""

from dataclasses import replace

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from book.photographs import photograph
from drn_lib import geometry
from drn_lib.checkpoints import load_lite0, load_weights
from drn_lib.conversion import difference, dilate, rule_difference
from drn_lib.images import normalize
from drn_lib.lite import LITE0, LiteNetwork, SameConv2d
from drn_lib.localization.photographs import find_object
from drn_lib.network import FeatureInfo, create_model

EXACT = 1e-12
READINGS = [(stride, rule) for stride in (8, 16) for rule in ("exact", "levels", "released")]
NARROW = replace(LITE0, stem=2, head=2, groups=tuple(replace(g, expansion=1, channels=2) for g in LITE0.groups))


@pytest.fixture(scope="module")
def lite0() -> LiteNetwork:
    return load_lite0().double()


@pytest.fixture(scope="module")
def readings(lite0) -> dict[tuple[int, str], LiteNetwork]:
    return {reading: dilate(lite0, *reading) for reading in READINGS}


def test_the_table_gives_the_published_network():
    with torch.device("meta"):
        model = LiteNetwork()
        features = model.features(torch.empty(1, 3, 224, 224))
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_652_008
    rows = [(2, 16, 2, 1), (3, 24, 4, 1), (4, 40, 8, 1), (5, 112, 16, 1), (6, 320, 32, 1)]
    assert model.feature_info == [FeatureInfo(*row) for row in rows]
    for level, channels, reduction, _ in rows:
        assert features[level].shape == (1, channels, 224 // reduction, 224 // reduction)
    assert dilate(model).feature_info[-2:] == [FeatureInfo(5, 112, 8, 2), FeatureInfo(6, 320, 8, 4)]


@given(size=st.integers(1, 20), kernel=st.sampled_from([3, 5]), stride=st.sampled_from([1, 2]), data=st.data())
def test_it_pads_as_tensorflow_does(size, kernel, stride, data):
    """Source: TensorFlow's documentation of padding "SAME"."""
    dilation = data.draw(st.sampled_from([1, 2, 4])) if stride == 1 else 1
    layer = SameConv2d(1, 1, kernel, stride)
    layer.dilation = (dilation, dilation)
    extent, cells = (kernel - 1) * dilation + 1, -(-size // stride)
    total = max((cells - 1) * stride + extent - size, 0)
    assert layer.zeros(size) == (total // 2, total - total // 2)
    with torch.no_grad():
        assert layer(torch.zeros(1, 1, size, size)).shape[2:] == (cells, cells)


@pytest.mark.parametrize("size", [(48, 56), (33, 98)])  # maps of which dilated and strided ones differ in being odd
def test_the_exact_rule_keeps_the_function_at_every_size(lite0, readings, size):
    images = torch.randn(1, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for output_stride in (8, 16):
        assert difference(lite0, readings[output_stride, "exact"], images).absolute < EXACT
        assert difference(lite0, readings[output_stride, "levels"], images).relative > 0.01


def test_released_differs_where_a_second_level_is_dilated():
    torch.manual_seed(0)
    narrow = LiteNetwork(NARROW, num_classes=2)
    assert rule_difference(narrow, "released", 8, size=96).relative > 1e-3
    # The one depthwise convolution of the first block has there the dilation 1 that it had before.
    assert rule_difference(narrow, "released", 16, size=96).absolute < EXACT


@torch.no_grad()
def test_the_mean_of_a_map_is_the_readings_logits(readings):
    image = normalize(photograph("coffee", 64)[None]).double()
    for (output_stride, _), model in readings.items():
        scores = model.score_map(image)
        assert scores.shape[2:] == (64 // output_stride, 64 // output_stride)
        assert (scores.mean(dim=(2, 3)) - model(image)).abs().max() < EXACT


def test_where_the_cells_lie_at_224_px():
    with torch.device("meta"):
        model = LiteNetwork(NARROW)
        centres = {reading: geometry.cell_centre(dilate(model, *reading), 224) for reading in READINGS}
        assert geometry.cell_centre(model, 224) == (31, 31)
        assert geometry.cell_centre(model, (224, 298)) == (31, 9)  # 298 / 2 is odd, and odd maps are padded evenly
        assert geometry.cell_centre(create_model("drn_c_26", width=0.1), (224, 298)) == (0, 0)
    assert centres[8, "exact"] == centres[16, "exact"] == (31, 31)
    assert centres[8, "levels"] == (55, 55) and centres[16, "levels"] == (47, 47)


@pytest.mark.parametrize("height", [1152, 1163])
@pytest.mark.parametrize(("output_stride", "rule"), [(32, "exact"), *READINGS[:3]])
def test_the_gradients_support_has_its_middle_there(output_stride, rule, height):
    model = LiteNetwork(NARROW, num_classes=1).double().eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:  # positive weights: no path is dead, and no sum is zero
            nn.init.constant_(parameter, 1 / parameter[0].numel())
    model.shift.fill_(1.0)
    model = model if output_stride == 32 else dilate(model, output_stride, rule)
    image = torch.zeros(1, 3, height, 8, dtype=torch.float64, requires_grad=True)
    scores = model.score_map(image)
    cell = scores.shape[2] // 2
    scores[0, 0, cell].sum().backward()
    rows = image.grad.abs().sum(dim=(0, 1, 3)).nonzero()
    assert 0 < rows[0] and rows[-1] < height - 1
    middle = (rows[0] + rows[-1]).item() / 2
    assert middle - cell * output_stride == geometry.cell_centre(model, (height, 8))[0]


def test_what_is_dilated_already_is_refused_and_the_original_stays():
    model = LiteNetwork(NARROW)
    text = repr(model)
    dilated = dilate(model, 16)
    assert repr(model) == text and model.levels["6"][0].convs[0][0].traded == 1
    assert list(dilated.state_dict()) == list(model.state_dict())
    pytest.raises(ValueError, dilate, dilated, 8).match("of stage 5 is dilated already")


@torch.no_grad()
def test_a_resnet_of_torchvision_goes_the_same_way():
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18().eval()
    dilated = dilate(load_weights(create_model("resnet_18"), theirs.state_dict()).eval())
    image = photograph("coffee", 64)
    found = find_object(dilated, image, size=64)
    assert found.class_map.shape == (8, 8) and found.box is not None
    logits = dilate(theirs)(normalize(image[None]))[0]
    assert found.index == logits.argmax() and found.class_map.mean().item() == pytest.approx(logits.max().item(), 1e-4)
