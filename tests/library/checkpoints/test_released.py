"""Our networks against what the released ones compute, against torchvision's ResNets and against pytorchcv."""

import pytest
import torch
import torchvision

from drn_lib.architecture import architecture, list_models
from drn_lib.checkpoints.naming import dead_modules, module_names
from drn_lib.checkpoints.weights import load_weights, released_state_dict
from drn_lib.network import create_model
from tests.library.checkpoints.released import fill, image, randomized, reference

TOLERANCE = 1e-5
"""Of the largest value: float32 sums in another order on another processor."""

DRN_A = ["drn_a_18", "drn_a_34", "drn_a_50"]
DRN_C_AND_D = ["drn_c_26", "drn_c_42", "drn_c_58", "drn_d_22", "drn_d_24", "drn_d_38", "drn_d_54", "drn_d_105"]
QUICK = ["drn_c_26", "drn_d_22"]


def slow_but(quick: list, names: list) -> list:
    """The names as parameters; those that are not quick are left out of `make check`."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


def relative(ours: torch.Tensor, theirs) -> float:
    theirs = torch.as_tensor(theirs)
    assert ours.shape == theirs.shape
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def filled(name: str, keys, **options) -> torch.nn.Module:
    return load_weights(create_model(name, **options), fill(keys)).eval()


@pytest.mark.parametrize("name", DRN_A + DRN_C_AND_D)
def test_keys_shapes_and_parameters_are_the_released_ones(name):
    known = reference(name)
    model = create_model(name)
    exported = released_state_dict(model)
    assert [(key, tuple(tensor.shape)) for key, tensor in exported.items()] == known["keys"]
    # The dead shortcut of DRN-C-58: a 1x1 convolution and a normalization's weight and bias.
    dead = sum(ours * theirs + 2 * theirs for _, ours, theirs in dead_modules(model.table, "released"))
    assert sum(parameter.numel() for parameter in model.parameters()) + dead == known["parameters"]


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_but(QUICK, DRN_C_AND_D))
@torch.inference_mode()
def test_drn_c_and_d_compute_what_the_released_ones_compute(name):
    known = reference(name)
    model = filled(name, known["keys"])
    levels = model.features(image(0, 1, 3, 224, 224))
    assert [tuple(level.shape) for level in levels.values()] == [tuple(shape) for shape in known["level_shape"]]
    means = torch.stack([level.double().mean() for level in levels.values()])
    stds = torch.stack([level.double().std() for level in levels.values()])
    scores = model.classifier(levels[8])
    assert relative(means, known["level_mean"]) < TOLERANCE
    assert relative(stds, known["level_std"]) < TOLERANCE
    assert relative(scores[:, :50], known["score_map"]) < TOLERANCE
    assert relative(scores.mean((2, 3)), known["logits"]) < TOLERANCE


@pytest.mark.parametrize("name", ["drn_d_22"])
@torch.inference_mode()
def test_forward_and_score_map_are_the_same_function_as_the_levels(name):
    known = reference(name)
    model = filled(name, known["keys"])
    images = image(0, 1, 3, 224, 224)
    assert relative(model(images), known["logits"]) < TOLERANCE
    assert relative(model.score_map(images)[:, :50], known["score_map"]) < TOLERANCE


@pytest.mark.parametrize("name", slow_but(["drn_a_18"], DRN_A))
@torch.inference_mode()
def test_drn_a_computes_what_the_released_class_computes_under_the_released_rule(name):
    known = reference(name)
    images = image(0, 1, 3, 224, 224)
    assert relative(filled(name, known["keys"], dilation_rule="released")(images), known["logits"]) < TOLERANCE
    if name == "drn_a_18":  # another rule computes something else
        assert relative(filled(name, known["keys"], dilation_rule="exact")(images), known["logits"]) > 1e-2


@pytest.mark.parametrize("name", slow_but(QUICK, ["drn_c_26", "drn_d_22", "drn_d_38"]))
@torch.inference_mode()
def test_segmentation_files_give_the_released_scores(name):
    known = reference(f"seg_{name}_19")
    model = filled(name, known["keys"], num_classes=19)
    assert relative(model.score_map(image(1, 1, 3, 128, 256)), known["scores"]) < TOLERANCE
    names = [key.rpartition(".")[0] for key, _ in known["keys"]]
    assert [theirs for _, theirs in module_names(model.table, "segmentation")] == list(dict.fromkeys(names[:-1]))


@pytest.mark.parametrize("depth", slow_but([18, 50], [18, 34, 50, 101, 152]))
@torch.inference_mode()
def test_resnets_are_torchvisions_bit_for_bit_up_to_the_last_map(depth):
    torch.manual_seed(depth)
    theirs = randomized(getattr(torchvision.models, f"resnet{depth}")())
    ours = load_weights(create_model(f"resnet_{depth}"), theirs.state_dict()).eval()
    images = torch.randn(1, 3, 96, 128)
    maps = []
    theirs.layer4.register_forward_hook(lambda module, inputs, output: maps.append(output))
    logits = theirs(images)
    assert torch.equal(ours.last_map(images), maps[0])
    assert relative(ours(images), logits) < 1e-6
    exported = released_state_dict(ours)
    assert list(exported) == list(theirs.state_dict())
    assert all(torch.equal(exported[name], tensor) for name, tensor in theirs.state_dict().items())


INDEPENDENT = {
    "drn_c_26": "drnc26",
    "drn_c_58": "drnc58",
    "drn_d_22": "drnd22",
    "drn_d_54": "drnd54",
    "resnet_18": "resnet18",
    "resnet_50": "resnet50b",  # the stride on the 3x3
}


@pytest.mark.parametrize("name", slow_but(["drn_d_22", "resnet_18"], INDEPENDENT))
@torch.inference_mode()
def test_pytorchcv_computes_the_same(name):
    provider = pytest.importorskip("pytorchcv.model_provider")
    torch.manual_seed(0)
    theirs = randomized(provider.get_model(INDEPENDENT[name], pretrained=False))
    ours = create_model(name)
    # Copied by order, so that this check leans on no table of names.
    tensors = list(theirs.state_dict().values())
    state = ours.state_dict()
    assert len(tensors) == len(state)
    ours.load_state_dict({key: old.reshape(state[key].shape) for key, old in zip(state, tensors, strict=True)})
    images = torch.randn(1, 3, 224, 224)
    assert relative(ours.eval()(images), theirs(images)) < TOLERANCE


def test_every_network_has_released_names_without_repetition():
    for name in list_models():
        pairs = module_names(architecture(name), "released")
        assert len({ours for ours, _ in pairs}) == len({theirs for _, theirs in pairs}) == len(pairs)
