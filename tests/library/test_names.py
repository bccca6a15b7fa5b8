"""Names of networks and variants as a page prints them."""

import pytest

from drn_lib.architecture import list_ablations, list_models
from drn_lib.names import display_name


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("resnet_18", "ResNet-18"),
        ("drn_a_18", "DRN-A-18"),
        ("drn_d_105", "DRN-D-105"),
        ("resnet_18_128px", "ResNet-18 at 128 px"),
        ("drn_c_26_scratch", "DRN-C-26, from scratch"),
        ("drn_a_18_lr_0_02", "DRN-A-18, rate 0.02"),
        ("drn_c_26_epochs_60", "DRN-C-26, 60 epochs"),
        ("drn_a_18_levels", "DRN-A-18, rule levels"),
        ("drn_a_18_released", "DRN-A-18, rule released"),
        ("drn_a_18_levels_128px", "DRN-A-18, rule levels at 128 px"),
        ("resnet_18_wide", "ResNet-18, wider"),
        ("resnet_18_large", "ResNet-18, larger images"),
        ("resnet_18_dilated", "ResNet-18 dilated, trained on"),
        ("ladder_a_22", "A-22"),
        ("ladder_a_22_falling", "A-22, falling dilation"),
        ("ladder_a_22_unlinked", "A-22, falling, no residuals"),
        ("ladder_front_22", "front only, 22"),
        ("ladder_c_26_constant", "C-26, tail at dilation 4"),
    ],
)
def test_a_name_as_printed(name, printed):
    assert display_name(name) == printed


def test_every_network_has_a_name_of_its_own():
    names = [*list_models(), *list_ablations()]
    printed = [display_name(name) for name in names]
    assert len(set(printed)) == len(names) and not [
        name for name in printed if "_" in name or name.startswith("LADDER")
    ]
