"""The dilated twin of a ResNet: exactly the same function under one rule, another one under the others."""

import copy
import threading
from types import MethodType

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import prune

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
        (MODELS["resnet_18"], {"dilation_rule": "half"}, "no dilation rule 'half'; choose one of exact, levels"),
        (MODELS["resnet_18"], {"dilation_rule": None}, "no dilation rule None"),
        (MODELS["resnet_18"], {"output_stride": 4}, "output_stride must be 8 or 16, not 4"),
        (MODELS["torchvision resnet18"], {"output_stride": 32}, "output_stride must be 8 or 16, not 32"),
        (lambda: create_model("drn_a_18", width=0.1), {}, "drn_a_18 is dilated already and has no stride to trade"),
        (lambda: create_model("drn_c_26", width=0.1), {}, "drn_c_26 is dilated already"),
        (lambda: dilate(model("resnet_18"), 16), {}, "resnet_18 is dilated already"),
        (dilated_by_torchvision, {}, r"conv2 in block 1 of stage 4 is dilated already"),
        (lambda: dilate(torchvision.models.resnet18()), {}, "of stage 3 is dilated already"),
        (with_pooled_shortcut, {}, r"downsample.0 in block 0 of stage 4 is AvgPool2d.*; only 1x1 and 3x3 convolutions"),
        (with_foreign_block, {}, "block 1 of stage 3 is a Sequential, not ResNet's basic or bottleneck block"),
        (lambda: torchvision.models.squeezenet1_1(), {}, "torchvision's ResNet and our networks, not a SqueezeNet"),
    ],
)
def test_what_cannot_be_converted_is_one_sentence(make, options, says):
    with pytest.raises(ValueError, match=says) as caught:
        dilate(make(), **options)
    assert "\n" not in str(caught.value)


# Strides wherever they stand


class Narrow(torchvision.models.ResNet):
    """An eighth of the channels in the stages, and few blocks, so that it is fast."""

    def _make_layer(self, block, planes, *others, **options):
        return super()._make_layer(block, planes // 8, *others, **options)


def small(bottleneck: bool = False, **options) -> nn.Module:
    torch.manual_seed(0)
    kind = torchvision.models.resnet.Bottleneck if bottleneck else torchvision.models.resnet.BasicBlock
    resnet = Narrow(kind, [1, 2, 2, 2], num_classes=2, **options)
    resnet.fc = nn.Identity()
    return resnet


def moved_to_the_first_1x1() -> nn.Module:
    """Caffe's ResNet-50."""
    resnet = small(bottleneck=True)
    for stage in (resnet.layer2, resnet.layer3, resnet.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    return resnet


def moved_to_the_second_3x3() -> nn.Module:
    resnet = small()
    for stage in (resnet.layer3, resnet.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (1, 1), (2, 2)
    return resnet


def moved_to_the_last_1x1() -> nn.Module:
    resnet = small(bottleneck=True)
    for stage in (resnet.layer3, resnet.layer4):
        stage[0].conv2.stride, stage[0].conv3.stride = (1, 1), (2, 2)
    return resnet


def moved_to_the_last_block() -> nn.Module:
    """The stage steps at its end, as in TF-Slim; the last block gets a shortcut for it."""
    resnet = small()
    for stage, channels in ((resnet.layer3, 32), (resnet.layer4, 64)):
        stage[0].conv1.stride = stage[0].downsample[0].stride = (1, 1)
        stage[1].conv1.stride = (2, 2)
        stage[1].downsample = nn.Conv2d(channels, channels, 1, 2)
    return resnet


def strided(stage: str, stride: int) -> nn.Module:
    resnet = small()
    block = getattr(resnet, stage)[0]
    block.conv1.stride = block.downsample[0].stride = (stride, stride)
    return resnet


def changed(**parts: nn.Module) -> nn.Module:
    resnet = small()
    for name, part in parts.items():
        resnet.set_submodule(name, part)
    return resnet


STRIDES = {
    "on the first 1x1": (moved_to_the_first_1x1, 8, 32),
    "on the first 1x1, one stage": (moved_to_the_first_1x1, 16, 32),
    "on the second 3x3": (moved_to_the_second_3x3, 8, 32),
    "on the last 1x1": (moved_to_the_last_1x1, 8, 32),
    "in the last block": (moved_to_the_last_block, 8, 32),
    "of 4 in stage 3": (lambda: strided("layer3", 4), 8, 64),
    "of 3 in stage 4": (lambda: strided("layer4", 3), 8, 48),
    "of 4 in stage 2": (lambda: strided("layer2", 4), 16, 64),
    "none in stage 3": (lambda: strided("layer3", 1), 8, 16),
    "none in stage 4": (lambda: strided("layer4", 1), 8, 16),
    "no stage 4": (lambda: changed(layer4=nn.Sequential()), 8, 16),
    "no pool": (lambda: changed(maxpool=nn.Identity()), 8, 16),
    "stem of stride 1 before a pool": (lambda: changed(conv1=nn.Conv2d(3, 64, 3, 1, 1)), 8, 16),
    "patches": (lambda: changed(conv1=nn.Conv2d(3, 64, 4, 4), maxpool=nn.Identity()), 8, 32),
    "two layers in the stem": (lambda: changed(conv1=nn.Sequential(nn.Conv2d(1, 8, 3, 2), nn.Conv2d(8, 64, 3))), 8, 32),
    "3x3 shortcut": (lambda: changed(**{"layer3.0.downsample": nn.Conv2d(16, 32, 3, 2, 1)}), 8, 32),
    "padding by name": (lambda: changed(**{"layer4.1.conv1": nn.Conv2d(64, 64, 3, padding="same")}), 8, 32),
    "groups": (lambda: small(bottleneck=True, groups=4, width_per_group=32), 8, 32),
}


def step_of(network: nn.Module) -> float:
    """The true output stride: input pixels over the cells that they add to the last map."""
    maps = []
    network = network.float().to("meta").eval()
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad(), network.layer4.register_forward_hook(lambda module, inputs, output: maps.append(output)):
        for size in (96, 480):
            network(torch.empty(1, first.in_channels, size, size, device="meta"))
    return 384 / (maps[1].shape[-1] - maps[0].shape[-1])


@pytest.mark.parametrize("case", STRIDES)
@torch.no_grad()
def test_strides_are_read_wherever_they_stand(case):
    make, output_stride, was = STRIDES[case]
    original = make().double().eval()
    dilated = dilate(original, output_stride)
    for network in (original, dilated):
        for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.running_mean.copy_(torch.linspace(-0.2, 0.3, norm.num_features))
            norm.running_var.copy_(torch.linspace(0.5, 1.5, norm.num_features))
    channels = next(original.conv1.modules()).weight.shape[1] if isinstance(original.conv1, nn.Conv2d) else 1
    apart = difference(original, dilated, torch.randn(1, channels, 70, 101, dtype=torch.float64))
    assert 0 <= apart.relative < 1e-12
    assert (step_of(original), step_of(dilated)) == (was, output_stride)


def test_the_first_3x3_after_a_stride_on_a_1x1_has_the_new_dilation():
    dilated = dilate(moved_to_the_first_1x1())
    assert [stage[0].conv2.dilation for stage in (dilated.layer2, dilated.layer3, dilated.layer4)] == [
        (1, 1), (2, 2), (4, 4)
    ]  # fmt: skip
    released = dilate(moved_to_the_first_1x1(), dilation_rule="released")
    assert [block.conv2.dilation[0] for block in released.layer4] == [1, 4]


@pytest.mark.parametrize("rule", ["levels", "released"])
def test_the_other_rules_have_the_output_stride_too(rule):
    assert step_of(dilate(strided("layer3", 4), 8, rule)) == 8
    assert step_of(dilate(moved_to_the_last_block(), 16, rule)) == 16


# What is refused


def own_forward(name: str, forward) -> nn.Module:
    """`forward` gets what the module makes of x in its usual way."""
    resnet = small()
    module = resnet.get_submodule(name)
    module.forward = MethodType(lambda self, x: forward(type(self).forward(self, x)), module)
    return resnet


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def hidden_by_zero_weights() -> nn.Module:
    """Each branch begins at zero, so that what stands in it does not show in the maps."""
    resnet = small(zero_init_residual=True)
    resnet.layer4[1].bn1 = Function(lambda x: torch.nn.functional.max_pool2d(x, 3, 1, 1))
    return resnet


def blurred() -> nn.Module:
    """The step is in a module without an attribute `stride`; the shortcut tells it all the same."""
    resnet = small()
    for block in (resnet.layer3[0], resnet.layer4[0]):
        block.conv1.stride = (1, 1)
        block.bn1 = Function(lambda x: torch.nn.functional.avg_pool2d(x, 2, 2))
    return resnet


def without(name: str) -> nn.Module:
    resnet = small()
    delattr(resnet, name)
    return resnet


def with_padding(mode: str) -> nn.Module:
    conv = nn.Conv2d(64, 64, 3, padding=1, bias=False, padding_mode=mode)
    return changed(**{"layer4.1.conv1": conv})


def with_stride(height: int, width: int) -> nn.Module:
    resnet = small()
    resnet.layer4[0].conv1.stride = resnet.layer4[0].downsample[0].stride = (height, width)
    return resnet


def ours_without_pool() -> nn.Module:
    network = create_model("resnet_18", width=0.125)
    network.pool = nn.Identity()
    return network


def ours_with_a_stride_moved() -> nn.Module:
    """The function could be kept, and the table of the copy would name another dilation."""
    network = create_model("resnet_50", width=0.125)
    first = network.levels["6"][0].convs
    first[0].conv.stride, first[1].conv.stride = (2, 2), (1, 1)
    return network


def closed_over() -> nn.Module:
    """A copy of the block would still run the block itself."""
    resnet = small().double()
    usual = resnet.layer4[1].forward
    resnet.layer4[1].forward = lambda x: usual(x)
    return resnet


def diverged() -> nn.Module:
    resnet = small()
    with torch.no_grad():
        resnet.layer2[0].conv1.weight[3] = float("nan")
    return resnet


squeeze = Function(lambda x: x * x.mean((2, 3), keepdim=True).sigmoid())
shortcut_by_slices = Function(lambda x: torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 16, 16)))
REFUSED = {
    "a block that steps in its own forward": (lambda: own_forward("layer3.1", lambda x: x[:, :, ::2, ::2]), "a step"),
    "a block that shifts": (lambda: own_forward("layer4.1", lambda x: x.roll(1, 3)), "another function"),
    "a block that pools": (
        lambda: own_forward("layer4.0", lambda x: torch.nn.functional.max_pool2d(x, 3, 1, 1)), "another function"
    ),
    "a stem that steps in its own forward": (lambda: own_forward("conv1", lambda x: x[:, :, ::2, ::2]), "a step"),
    "a stem that folds space into channels": (
        lambda: changed(conv1=nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 64, 3, 1, 1))), "fails on an image"
    ),
    "a stem that enlarges": (
        lambda: changed(conv1=nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3), nn.Upsample(scale_factor=2))), "a step"
    ),
    "blurred pooling": (blurred, "no stride can be traded .* 4, 4, 8, 8, 8"),
    "blurred pooling in the stem": (
        lambda: changed(maxpool=Function(lambda x: torch.nn.functional.max_pool2d(x, 3, 2, 1))), "a step"
    ),
    "a shortcut by slices": (lambda: changed(**{"layer4.0.downsample": shortcut_by_slices}), "fails on an image"),
    "squeeze and excitation": (lambda: changed(**{"layer4.1.bn2": squeeze}), "another function"),
    "normalization by the map": (lambda: small(norm_layer=nn.InstanceNorm2d), "another function"),
    "group normalization": (lambda: small(norm_layer=lambda c: nn.GroupNorm(2, c)), "another function"),
    "no statistics": (lambda: small(norm_layer=lambda c: nn.BatchNorm2d(c, track_running_stats=False)), "another"),
    "hidden by zero weights": (hidden_by_zero_weights, "another function"),
    "CIFAR stem": (
        lambda: changed(conv1=nn.Conv2d(3, 64, 3, 1, 1), maxpool=nn.Identity()),
        "no stride can be traded .* 1, 1, 2, 4, 8",
    ),
    "skipped output stride": (lambda: strided("layer2", 4), "no stride can be traded .* 4, 4, 16, 32, 64"),
    "other strides along the axes": (lambda: with_stride(2, 1), "other strides along height and width"),
    "no stage 4": (lambda: changed(layer4=nn.Identity()), "layer4 of the ResNet is a Identity"),
    "stage 4 deleted": (lambda: without("layer4"), "layer4 of the ResNet is a NoneType"),
    "stage 2 deleted": (lambda: without("layer2"), "layer2 of the ResNet is a NoneType"),
    "relu deleted": (lambda: without("relu"), "fails on an image"),
    "two stages only": (lambda: changed(layer3=nn.Sequential(), layer4=nn.Sequential()), "4, 4, 8, 8, 8"),
    "reflect": (lambda: with_padding("reflect"), "pads by 'reflect'"),
    "replicate": (lambda: with_padding("replicate"), "pads by 'replicate'"),
    "circular": (lambda: with_padding("circular"), "pads by 'circular'"),
    "not finite": (diverged, "last map of the Narrow on a random image holds values that are not finite"),
    "two at once": (lambda: nn.DataParallel(small()), "not a DataParallel"),
    "a forward that holds on to the original": (closed_over, "another function"),
    "ours with a stride moved": (ours_with_a_stride_moved, "do not step as its table says"),
    "ours without its pool": (ours_without_pool, "do not step as its table says"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_become_another_function_is_refused(case):
    make, says = REFUSED[case]
    with pytest.raises(ValueError, match=says) as caught:
        dilate(make())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["8", True, 8.0, None, 0, -8, [8], float("nan")])
def test_the_output_stride_is_one_whole_number(value):
    with pytest.raises(ValueError, match="output_stride must be"):
        dilate(model("resnet_18"), value)


# Odd models that work, and nothing left behind


def with_an_activation() -> nn.Module:
    resnet = small()
    resnet.layer3.register_forward_hook(lambda module, inputs, output: setattr(module, "kept", [output]))
    with torch.enable_grad():
        resnet(torch.rand(2, 3, 64, 64))
    assert not resnet.layer3.kept[0].is_leaf
    return resnet


def with_weight_norm() -> nn.Module:
    resnet = small()
    with pytest.warns(FutureWarning):
        torch.nn.utils.weight_norm(resnet.layer4[1].conv1)
    return resnet


def with_a_parametrization() -> nn.Module:
    resnet = small()
    torch.nn.utils.parametrizations.weight_norm(resnet.layer4[0].conv1)
    return resnet


def pruned() -> nn.Module:
    resnet = small()
    prune.l1_unstructured(resnet.layer4[1].conv2, "weight", 0.5)
    return resnet


class Normalizing(Narrow):
    """The normalization of the images inside, in tensors that are no buffers."""

    def forward(self, x):
        return super().forward((x - self.mean) / self.deviation)


def with_plain_tensors() -> nn.Module:
    resnet = Normalizing(torchvision.models.resnet.BasicBlock, [1, 2, 2, 2])
    resnet.fc = nn.Identity()
    resnet.mean, resnet.deviation = torch.full((3, 1, 1), 0.5), torch.full((3, 1, 1), 0.2)
    return resnet


ODD = [with_an_activation, with_weight_norm, with_a_parametrization, pruned, with_plain_tensors]


@pytest.mark.parametrize("make", ODD)
@torch.no_grad()
def test_models_that_keep_tensors_are_converted(make):
    original = make().eval()
    dilated = dilate(original)
    assert difference(original, dilated, torch.rand(1, 3, 64, 64)).relative < 1e-5
    assert dilated.layer4[1].conv1.dilation == (4, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    dilated = dilate(model("resnet_18").to(dtype))
    assert {parameter.dtype for parameter in dilated.parameters()} == {dtype}


def test_the_trial_leaves_no_trace():
    seen = []
    original = small().train()
    original.layer1.eval()
    original.layer4.register_forward_hook(lambda module, inputs, output: seen.append(output))
    original.layer2.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    original.conv1.add_module("noise", nn.Dropout(0.5))
    before, state = copy.deepcopy(original.state_dict()), torch.get_rng_state()
    dilated = dilate(original)
    assert not seen and torch.equal(torch.get_rng_state(), state)
    assert original.training and not original.layer1.training and not original.layer1[0].training
    assert dilated.training and not dilated.layer1.training
    for network in (original, dilated):
        assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
        assert len(network.layer4._forward_hooks) == 1  # the user's own


def test_what_cannot_be_copied_is_a_sentence():
    original = model("resnet_18")
    original.lock = threading.Lock()
    with pytest.raises(ValueError, match="the Network holds something that cannot be copied"):
        dilate(original)


# The comparison itself


@torch.no_grad()
def test_maps_of_zeros_are_equal():
    original = model("resnet_18").eval()
    for parameter in original.parameters():
        parameter.zero_()
    assert difference(original, dilate(original), torch.rand(1, 3, 32, 32)) == Difference(0.0, 0.0)
    lifted = dilate(original)
    lifted.levels["6"][-1].convs[-1].norm.bias.fill_(1)
    assert difference(original, lifted, torch.rand(1, 3, 32, 32)) == Difference(1.0, float("inf"))


@torch.no_grad()
def test_what_cannot_be_compared_is_a_sentence():
    original = small().eval()
    dilated = dilate(original)
    images = torch.rand(2, 3, 64, 64)
    with pytest.raises(ValueError, match="no image"):
        difference(original, dilated, images[:0])
    with pytest.raises(ValueError, match="maps of 8x8 and 2x2 cells do not share"):
        difference(dilated, original, images)
    with pytest.raises(ValueError, match="not a SqueezeNet"):
        difference(torchvision.models.squeezenet1_1(), dilated, images)
    with pytest.raises(ValueError, match="fails on an image of 64x64 px"):
        difference(original, dilated, images.double())
    dilated.layer4[1].bn2.bias[0] = float("inf")
    with pytest.raises(ValueError, match="last map of the dilated network holds values that are not finite"):
        difference(original, dilated, images)
    images[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="last map of the strided network holds"):
        difference(original, dilated, images)


def test_a_rule_of_a_model_without_statistics_is_a_sentence():
    network = small(norm_layer=lambda channels: nn.BatchNorm2d(channels, track_running_stats=False))
    with pytest.raises(ValueError, match="another function"):
        rule_difference(network, "exact", size=32)
    assert rule_difference(moved_to_the_first_1x1(), "exact", size=32).relative < 1e-12


def test_two_networks_are_compared_in_evaluation_mode_and_stay_as_they_are():
    ours = create_model("resnet_18", 10, 0.125).double().train()
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    found = difference(ours, dilate(ours), torch.rand(2, 3, 64, 64, dtype=torch.float64))
    assert found.relative < 1e-12 and ours.training
    assert all(torch.equal(before[name], value) for name, value in ours.state_dict().items())
