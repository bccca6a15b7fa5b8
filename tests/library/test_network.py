"""Networks built from the tables: parameters, maps, residual links, dilations, initial weights."""

import csv
import math

import numpy as np
import pytest
import torch
from torch import nn

from drn_lib.architecture import architecture, dilation_rules, list_models, scale_width
from drn_lib.network import FeatureInfo, Network, create_model
from drn_lib.paths import paper_dir

NETWORKS = list_models()

PARAMETERS = {
    "resnet_18": 11_689_512, "resnet_34": 21_797_672, "resnet_50": 25_557_032, "resnet_101": 44_549_160,
    "resnet_152": 60_192_808, "drn_a_18": 11_689_512, "drn_a_34": 21_797_672, "drn_a_50": 25_557_032,
    "drn_b_26": 21_126_584, "drn_c_26": 21_126_584, "drn_c_42": 31_234_744, "drn_c_58": 40_542_008,
    "drn_d_22": 16_393_752, "drn_d_24": 21_114_392, "drn_d_38": 26_501_912, "drn_d_40": 31_222_552,
    "drn_d_54": 35_809_176, "drn_d_56": 40_529_816, "drn_d_105": 54_801_304, "drn_d_107": 59_521_944,
}  # fmt: skip


def on_meta(name: str, **options) -> Network:
    """The network with shapes and without numbers: nothing is computed."""
    with torch.device("meta"):
        return create_model(name, **options)


def small(name: str, **options) -> Network:
    torch.manual_seed(0)
    return create_model(name, **{"num_classes": 5, "width": 1 / 8, **options}).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_to_the_unit(name):
    assert sum(parameter.numel() for parameter in on_meta(name).parameters()) == PARAMETERS[name]
    with open(paper_dir() / "architectures.csv", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert int(rows[name]["parameters"]) == PARAMETERS[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_modules_counted_are_the_number_in_the_name(name):
    convolutions = [key for key, module in on_meta(name).named_modules() if isinstance(module, nn.Conv2d)]
    assert len([key for key in convolutions if ".shortcut." not in key]) == int(name.rsplit("_", 1)[1])


@pytest.mark.parametrize("size", [(224, 224), (65, 97)])
@pytest.mark.parametrize("name", NETWORKS)
def test_feature_info_tells_the_real_shapes(name, size):
    model = on_meta(name)
    features = model.features(torch.empty(2, 3, *size, device="meta"))
    assert [info.level for info in model.feature_info] == list(features)
    for info, level_map in zip(model.feature_info, features.values(), strict=True):
        assert level_map.shape == (2, info.channels, *(math.ceil(side / info.reduction) for side in size))
    assert model.feature_info[-1].reduction == model.table.output_stride


def test_feature_info_of_a_drn_and_of_a_resnet():
    assert on_meta("drn_c_26").feature_info[4] == FeatureInfo(level=5, channels=256, reduction=8, dilation=2)
    rows = [(2, 64, 2, 1), (3, 256, 4, 1), (4, 512, 8, 1), (5, 1024, 16, 1), (6, 2048, 32, 1)]
    assert on_meta("resnet_50").feature_info == [FeatureInfo(*row) for row in rows]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_3x3_has_its_tables_dilation_and_keeps_the_size(name):
    for rule in dilation_rules(name) or (None,):
        model = on_meta(name, dilation_rule=rule)
        for level in model.table.levels:
            blocks = model.levels[str(level.number)]
            assert len(blocks) == level.blocks
            for index, block in enumerate(blocks):
                dilations = (level.dilation, level.dilation) if index else level.first_dilation
                spatial = [unit.conv for unit in block.convs if unit.conv.kernel_size == (3, 3)]
                assert [conv.dilation[0] for conv in spatial] == list(dilations[: len(spatial)])
                assert all(conv.padding == conv.dilation for conv in spatial)
                assert len(blocks) == 1 or spatial[-1].dilation[0] == level.dilation or block is blocks[0]
            assert level.dilation in [info.dilation for info in model.feature_info if info.level == level.number]


@pytest.mark.parametrize("name", ["resnet_18", "drn_a_18", "drn_b_26", "drn_c_26", "drn_d_22", "resnet_50", "drn_c_58"])
@pytest.mark.parametrize("size", [(1, 1), (65, 97), (224, 40)])
@torch.inference_mode()
def test_any_input_size_gives_logits_and_their_mean_map(name, size):
    model = small(name).double()
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    scores = model.score_map(images)
    assert scores.shape == (2, 5, *(math.ceil(side / model.table.output_stride) for side in size))
    torch.testing.assert_close(model(images), scores.mean((2, 3)), rtol=1e-10, atol=1e-10)
    assert torch.equal(model.last_map(images), list(model.features(images).values())[-1])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name):
    model = small(name, width=0.01).train()
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@torch.inference_mode()
def test_b_and_c_differ_in_their_last_residual_links_alone():
    b, c = small("drn_b_26"), small("drn_c_26")
    assert list(b.state_dict()) == list(c.state_dict())
    c.load_state_dict(b.state_dict())
    images = torch.randn(1, 3, 64, 64)
    maps_b, maps_c = b.features(images), c.features(images)
    assert all(torch.equal(maps_b[level], maps_c[level]) for level in range(1, 7))
    for level in (7, 8):
        assert not torch.equal(maps_b[level], maps_c[level])
        b.levels[str(level)][0].link = 0.0
    assert torch.equal(b(images), c(images))


def test_no_shortcut_is_built_that_is_not_added():
    block = on_meta("drn_c_58").levels["7"][0]
    assert block.shortcut is None and block.convs[0].conv.in_channels == 2048


def test_fresh_weights_have_the_released_codes_spread():
    torch.manual_seed(0)
    model = create_model("drn_c_26")
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            expected = math.sqrt(2 / (module.kernel_size[0] ** 2 * module.out_channels))
            count = module.weight.numel()
            assert abs(module.weight.mean()) < 5 * expected / math.sqrt(count)
            assert abs(module.weight.std() / expected - 1) < 5 / math.sqrt(2 * count)
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all()
    # The classifier's bias keeps PyTorch's default, uniform within 1 / sqrt(channels).
    assert 0 < model.classifier.bias.abs().max() <= 1 / math.sqrt(512)


def test_the_seed_decides_the_weights():
    first, again = small("drn_d_22").state_dict(), small("drn_d_22").state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_classes_width_and_normalization_are_options():
    model = create_model("drn_c_26", num_classes=7, width=0.25)
    assert model.classifier.weight.shape == (7, 128, 1, 1)
    assert [info.channels for info in model.feature_info] == [8, 8, 16, 32, 64, 128, 128, 128]
    assert model.classes is None
    table = scale_width(architecture("drn_c_26"), 0.25)
    grouped = Network(table, num_classes=7, norm=lambda channels: nn.GroupNorm(4, channels))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in grouped.modules())
    assert grouped(torch.randn(1, 3, 32, 32)).shape == (1, 7)


def test_create_model_passes_the_tables_errors_on():
    with pytest.raises(ValueError, match="there is no network 'drn'"):
        create_model("drn")
    with pytest.raises(ValueError, match="resnet_18 has no dilation"):
        create_model("resnet_18", dilation_rule="exact")
    with pytest.raises(ValueError, match="width must be a number above 0"):
        create_model("drn_c_26", width=0)


@pytest.mark.parametrize("classes", [0, -3, 2.0, "5", True, None, float("nan"), 10**9, [5]])
def test_a_number_of_classes_that_no_network_has(classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number from 1 to 32768, not"):
        create_model("drn_c_26", classes, 0.125)


@pytest.mark.parametrize("width", ["0.25", 0, -1, math.nan, math.inf, 1e6, True, None])
def test_a_width_that_no_network_has(width):
    with pytest.raises(ValueError, match="width must be a number above 0 and at most 16, not"):
        create_model("drn_c_26", 5, width)


@pytest.mark.parametrize(
    ("name", "classes", "width"), [("resnet_152", 5, 16), ("drn_c_26", 5, 8), ("drn_c_58", 2**15, 3.5)]
)
def test_more_parameters_than_a_machine_holds(name, classes, width):
    with pytest.raises(ValueError, match=f"{name} of this width has .* million parameters: at most 500 million"):
        create_model(name, classes, width)


@pytest.mark.parametrize("make", [int, float, np.float32, np.int64])
def test_numbers_of_every_type_are_widths(make):
    assert on_meta("drn_c_26", width=make(1)).table == architecture("drn_c_26")
