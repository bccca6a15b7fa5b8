"""Costs counted from the tables, against torch's own counter and the models themselves."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from drn_lib import costs, create_model
from drn_lib.architecture import architecture, list_ablations, list_models, scale_width


@pytest.mark.parametrize("name", list_models() + list_ablations())
def test_parameters_are_the_models(name):
    with torch.device("meta"):
        model = create_model(name, 20)
    assert costs.parameters(model.table, 20) == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("size", [63, 64, 100])
@pytest.mark.parametrize(
    "name", ["resnet_18", "resnet_50", "drn_a_50", "drn_b_26", "drn_c_58", "drn_d_22", *list_ablations()]
)
def test_multiply_adds_are_half_of_torchs_operations(name, size):
    with torch.device("meta"):
        model = create_model(name, 20, 0.25).eval()
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, size, size))
    assert 2 * costs.multiply_adds(model.table, size, 20) == counter.get_total_flops()


def test_the_compute_matched_resnets_of_the_study_cost_what_drn_a_costs():
    """Within 5 %: what the plan of the classification study promises."""
    from book.studies.plans import load_plan

    def cost(name):
        variant = load_plan("classification").variants[name]
        table = scale_width(architecture(variant.network), variant.recipe.width)
        return costs.multiply_adds(table, variant.recipe.image_size, 20)

    for name in ("resnet_18_wide", "resnet_18_large"):
        assert cost(name) == pytest.approx(cost("drn_a_18"), rel=0.05)


def test_a_network_has_a_thousand_classes_unless_told_otherwise():
    table = architecture("drn_c_26")
    assert costs.multiply_adds(table, 224) == costs.multiply_adds(table, 224, 1000)
    assert costs.parameters(table) == costs.parameters(table, 1000)


@pytest.mark.parametrize(("size", "classes"), [(0, 10), (-224, 10), (2.5, 10), (64, 0), (64, -1)])
def test_sizes_and_classes_are_whole_numbers(size, classes):
    with pytest.raises(ValueError, match="must be a whole number of 1 or more"):
        costs.multiply_adds(architecture("drn_a_18"), size, classes)
    with pytest.raises(ValueError, match="num_classes must be a whole number"):
        costs.parameters(architecture("drn_a_18"), 0)
