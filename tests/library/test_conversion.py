"""The dilated twin of a ResNet: exactly the same function under one rule, another one under the others."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from drn_lib.conversion import Difference, difference, dilate, rule_difference
from drn_lib.network import create_model

EXACT = 1e-10

MODELS = {
    "resnet_18": lambda: create_model("resnet_18", width=0.25),
    "resnet_50": lambda: create_model("resnet_50", width=0.25),
    "torchvision resnet18": lambda: torchvision.models.resnet18(num_classes=2),
    "torchvision resnet50": lambda: torchvision.models.resnet50(width_per_group=16),
}


def model(name: str) -> nn.Module:
    torch.manual_seed(0)
    return MODELS[name]()


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", MODELS)
def test_the_exact_rule_keeps_the_function_and_the_others_do_not(name, output_stride):
    network = model(name)
    assert rule_difference(network, "exact", output_stride, size=64).absolute < EXACT
    assert rule_difference(network, "levels", output_stride, size=64).relative > 1e-3
    released = rule_difference(network, "released", output_stride, size=64)
    if "50" in name and output_stride == 16:
        # The first block of the one dilated stage has a single 3x3, and "no dilation" is there what it had before.
        assert released.absolute < EXACT
    else:
        assert released.relative > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet101"])
def test_the_exact_rule_at_full_width_and_depth(name, output_stride):
    torch.manual_seed(0)
    apart = rule_difference(getattr(torchvision.models, name)(), "exact", output_stride, size=96)
    # With random weights a map's values grow with the depth, to millions in ResNet-101.
    assert apart.relative < 1e-13
    assert apart.absolute < EXACT or name == "resnet101"


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (33, 40)])
@torch.no_grad()
def test_it_is_exact_at_odd_sizes_too(size):
    strided = model("resnet_18").double().eval()
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    assert all(difference(strided, dilate(strided, stride), images).absolute < EXACT for stride in (8, 16))


@torch.no_grad()
def test_dilated_resnet50_is_torchvisions_own():
    torch.manual_seed(0)
    theirs = torchvision.models.resnet50(replace_stride_with_dilation=[False, True, True]).eval()
    strided = torchvision.models.resnet50().eval()
    strided.load_state_dict(theirs.state_dict())
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(dilate(strided)(images), theirs(images))


@pytest.mark.parametrize("rule", ["exact", "levels", "released"])
@pytest.mark.parametrize("depth", [18, 34, 50])
@torch.no_grad()
def test_a_dilated_resnet_is_drn_a(depth, rule):
    strided = create_model(f"resnet_{depth}", num_classes=3, width=0.125).eval()
    dilated = dilate(strided, 8, rule)
    twin = create_model(f"drn_a_{depth}", num_classes=3, width=0.125, dilation_rule=rule).eval()
    assert dilated.table == twin.table and dilated.feature_info == twin.feature_info
    twin.load_state_dict(strided.state_dict())
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(dilated.score_map(images), twin.score_map(images))


@torch.no_grad()
def test_the_table_tells_what_the_dilated_network_does():
    for depth, output_stride in ((18, 16), (101, 8), (152, 16)):
        with torch.device("meta"):
            dilated = dilate(create_model(f"resnet_{depth}"), output_stride)
            features = dilated.features(torch.empty(1, 3, 224, 224))
        assert dilated.table.output_stride == output_stride and dilated.table.dilation_rule == "exact"
        for info in dilated.feature_info:
            assert features[info.level].shape == (1, info.channels, 224 // info.reduction, 224 // info.reduction)
        assert [info.dilation for info in dilated.feature_info[-2:]] == ([2, 4] if output_stride == 8 else [1, 2])


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_the_original_is_untouched_and_shares_nothing(name):
    original = model(name).eval()
    images = torch.randn(1, 3, 64, 64)
    text, before = repr(original), original(images)
    dilated = dilate(original)
    for parameter in dilated.parameters():
        parameter.zero_()
    assert repr(original) == text and torch.equal(original(images), before)
    assert type(dilated) is type(original) and list(dilated.state_dict()) == list(original.state_dict())


def test_mode_and_number_format_are_kept():
    dilated = dilate(model("resnet_18").double().train())
    assert dilated.training and next(dilated.parameters()).dtype == torch.float64


def test_the_measurement_is_repeatable_and_leaves_the_model_alone():
    original = model("resnet_18").train()
    before = copy.deepcopy(original.state_dict())
    first = rule_difference(original, "levels", size=64)
    assert first == rule_difference(original, "levels", size=64) != rule_difference(original, "levels", size=64, seed=1)
    assert isinstance(first, Difference) and first.absolute > first.relative * 1e-3
    assert original.training and next(original.parameters()).dtype == torch.float32
    assert all(torch.equal(before[name], tensor) for name, tensor in original.state_dict().items())


def with_pooled_shortcut() -> nn.Module:
    """The variant ResNet-D: an average pooling carries the stride of the shortcut."""
    resnet = torchvision.models.resnet18()
    resnet.layer4[0].downsample = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(256, 512, 1), nn.BatchNorm2d(512))
    return resnet


def with_foreign_block() -> nn.Module:
    resnet = torchvision.models.resnet18()
    resnet.layer3[1] = nn.Sequential(nn.Conv2d(256, 256, 3, padding=1))
    return resnet


def dilated_by_torchvision() -> nn.Module:
    return torchvision.models.resnet50(replace_stride_with_dilation=[False, False, True])


@pytest.mark.parametrize(
    ("make", "options", "says"),
    [
        (MODELS["resnet_18"], {"dilation_rule": "half"}, "rule 'half' is not known; choose one of exact, levels"),
        (MODELS["resnet_18"], {"dilation_rule": None}, "rule None is not known"),
        (MODELS["resnet_18"], {"output_stride": 4}, "output_stride must be 8 or 16, not 4"),
        (MODELS["torchvision resnet18"], {"output_stride": 32}, "output_stride must be 8 or 16, not 32"),
        (lambda: create_model("drn_a_18", width=0.1), {}, "drn_a_18 is dilated already and has no stride to trade"),
        (lambda: create_model("drn_c_26", width=0.1), {}, "drn_c_26 is dilated already"),
        (lambda: dilate(model("resnet_18"), 16), {}, "resnet_18 is dilated already"),
        (dilated_by_torchvision, {}, r"conv2 in block 1 of stage 4 is dilated already"),
        (lambda: dilate(torchvision.models.resnet18()), {}, "of stage 3 is dilated already"),
        (with_pooled_shortcut, {}, r"downsample.0 in block 0 of stage 4 is AvgPool2d.*; only 1x1 and 3x3 convolutions"),
        (with_foreign_block, {}, "block 1 of stage 3 is a Sequential, not ResNet's basic or bottleneck block"),
        (lambda: torchvision.models.squeezenet1_1(), {}, "torchvision's ResNet and ours, not a SqueezeNet"),
    ],
)
def test_what_cannot_be_converted_is_one_sentence(make, options, says):
    with pytest.raises(ValueError, match=says) as caught:
        dilate(make(), **options)
    assert "\n" not in str(caught.value)
