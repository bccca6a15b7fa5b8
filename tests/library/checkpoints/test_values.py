"""Weights that cannot be computed with are refused at every door, by the tensor's name and the file's."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from drn_lib.checkpoints.onnx import TrainedArrays, onnx_model, read_trained
from drn_lib.checkpoints.weights import load_any, load_trained, load_weights, released_state_dict, save_weights
from drn_lib.network import create_model
from drn_lib.segmentation.network import SegmentationNetwork, load_segmentation, make_backbone, save_segmentation

NAN, INF = float("nan"), float("inf")
HARMS = [
    ("stem.conv.weight", NAN, "holds values that are not finite"),
    ("levels.5.0.convs.0.conv.weight", -INF, "holds values that are not finite"),
    ("levels.8.0.convs.0.norm.weight", INF, "holds values that are not finite"),
    ("levels.3.0.convs.1.norm.bias", NAN, "holds values that are not finite"),
    ("levels.6.1.convs.1.norm.running_mean", NAN, "holds values that are not finite"),
    ("levels.6.1.convs.1.norm.running_var", INF, "holds values that are not finite"),
    ("stem.norm.running_var", -1e-3, "holds a variance below zero"),
    ("classifier.weight", INF, "holds values that are not finite"),
    ("classifier.bias", NAN, "holds values that are not finite"),
]


def network(classes: int = 5):
    torch.manual_seed(0)
    return create_model("drn_d_22", classes, 0.125).eval()


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A classifier's file, a segmentation network's, and a state dict of the first with the authors' names."""
    folder = tmp_path_factory.mktemp("sound")
    save_weights(network(), folder / "c.safetensors", list("abcde"))
    save_segmentation(SegmentationNetwork(network(), 5), folder / "s.safetensors", list("abcde"))
    return folder


def harmed(source, file, name, value):
    """A copy of one of our own files in which one value of a tensor is another."""
    from safetensors import safe_open

    tensors = load_file(source)
    tensors[name].view(-1)[-1] = value
    with safe_open(source, "pt") as stored:
        save_file(tensors, file, stored.metadata())
    return file


SOUND = network()
DOORS = {
    "load_weights": lambda file: load_weights(SOUND, file),
    "load_weights, from a dict": lambda file: load_weights(SOUND, load_file(file)),
    "load_trained": load_trained,
    "load_any": lambda file: load_any(str(file)),
    "onnx": lambda file: onnx_model(read_trained(file)),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("name", "value", "says"), HARMS)
def test_every_door_names_the_tensor_and_the_file(door, name, value, says, sound, tmp_path):
    file = harmed(sound / "c.safetensors", tmp_path / "bad.safetensors", name, value)
    source = "the state dict" if "dict" in door else "bad.safetensors"
    with pytest.raises(ValueError, match=f"^{name} of {source} {says}") as caught:
        DOORS[door](file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "value", "says"), [HARMS[0], HARMS[6], HARMS[8]])
def test_segmentation_networks_and_backbones_too(name, value, says, sound, tmp_path):
    file = harmed(sound / "s.safetensors", tmp_path / "bad.safetensors", name, value)
    pytest.raises(ValueError, load_segmentation, file).match(f"{name} of bad.safetensors {says}")
    if "classifier" not in name:
        pytest.raises(ValueError, make_backbone, "drn_d_22", 0.125, file).match(f"{name} of bad.safetensors")
    else:  # a classifier that is left out may be anything
        make_backbone("drn_d_22", 0.125, file)


def test_the_authors_names_are_told_as_the_file_has_them(tmp_path):
    state = released_state_dict(network())
    state["layer0.1.running_var"][0] = -1
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, tmp_path / "x.pth")
    target = network()
    before = target.stem.conv.weight.clone()
    pytest.raises(ValueError, load_weights, target, tmp_path / "x.pth").match("layer0.1.running_var of x.pth holds a")
    assert torch.equal(target.stem.conv.weight, before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_every_floating_point_type_is_read(dtype):
    state = {name: tensor.to(dtype) for name, tensor in network().state_dict().items() if tensor.is_floating_point()}
    loaded = load_weights(network(), state)
    assert torch.equal(loaded.stem.conv.weight, state["stem.conv.weight"].float())


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int64, torch.bool, torch.complex64])
@pytest.mark.parametrize("name", ["stem.conv.weight", "classifier.bias", "stem.norm.running_mean"])
def test_other_types_are_no_weights(dtype, name):
    state = SOUND.state_dict()
    with pytest.raises(ValueError, match=f"{name} of the state dict holds {dtype}, and weights are floating-point"):
        load_weights(SOUND, {**state, name: torch.ones_like(state[name]).to(dtype)})


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.bool_, np.complex64])
def test_other_types_are_not_exported(dtype):
    model = network()
    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    tensors["stem.conv.weight"] = np.ones(tensors["stem.conv.weight"].shape, dtype)
    with pytest.raises(ValueError, match="stem.conv.weight of f holds .*, and weights are floating-point"):
        onnx_model(TrainedArrays(model.table, tensors, None, "f", "", ""))


def test_what_64_bits_hold_and_the_networks_32_do_not():
    state = network().state_dict()
    large = {**state, "classifier.bias": torch.full((5,), 1e300, dtype=torch.float64)}
    pytest.raises(ValueError, load_weights, network(), large).match("classifier.bias of the state dict holds values")
    half = network().half()
    state["stem.norm.running_var"] += 1e6
    pytest.raises(ValueError, load_weights, half, state).match("stem.norm.running_var of the state dict holds values")
    model = network()
    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    tensors["classifier.bias"] = np.full(5, 1e300)
    with pytest.raises(ValueError, match="classifier.bias of f holds values that are not finite"):
        onnx_model(TrainedArrays(model.table, tensors, None, "f", "", ""), "float32")


def sparse(tensor):
    return tensor.to_sparse()


def rows(tensor):
    return tensor.flatten(1).to_sparse_csr() if tensor.dim() > 1 else tensor.to_sparse()


def quantized(tensor):
    return torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)


def meta(tensor):
    return tensor.to("meta")


def nested(tensor):
    return torch.nested.nested_tensor([tensor.flatten()[:3], tensor.flatten()[:2]])


@pytest.mark.parametrize("kind", [sparse, rows, quantized, meta, nested])
@pytest.mark.parametrize("name", ["fc.weight", "layer0.1.bias"])
@pytest.mark.filterwarnings("ignore")
def test_tensors_without_plain_values_are_one_sentence(kind, name):
    state = released_state_dict(network())
    with pytest.raises(ValueError, match=f"{name} of the state dict is a .* tensor, not a plain one") as caught:
        load_weights(network(), {**state, name: kind(state[name])})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("counter", [torch.tensor([3]), torch.tensor(NAN), torch.zeros(2, 2)])
def test_a_counter_of_another_shape_changes_nothing(counter):
    state, target = network().state_dict(), network()
    target.stem.norm.num_batches_tracked += 7
    name = "levels.3.0.convs.0.norm.num_batches_tracked"
    load_weights(target, {**state, name: counter})
    assert target.get_buffer(name) == 0 and target.stem.norm.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("classifier.bias", ()),
        ("classifier.bias", (0,)),
        ("classifier.weight", ()),
        ("classifier.weight", (5, 5, 1, 1)),
        ("levels.6.0.convs.0.conv.weight", ()),
        ("levels.6.0.convs.0.conv.weight", (0, 8, 1, 1)),
    ],
)
def test_tensors_of_odd_shapes_are_one_sentence(name, shape):
    with pytest.raises(ValueError, match=r"the state dict does not fit drn_d_22 of width 0.125.*of another shape") as e:
        load_weights(network(), {**network().state_dict(), name: torch.zeros(shape)})
    assert "\n" not in str(e.value)
    assert json.dumps(list(shape)) in str(e.value)


@pytest.mark.parametrize("value", [NAN, INF, object(), {1, 2}, b"bytes", [NAN]])
def test_metadata_that_json_does_not_hold_are_refused(tmp_path, value):
    with pytest.raises(ValueError, match="metadata must be texts or what JSON holds .*: n.safetensors was not written"):
        save_weights(network(), tmp_path / "new" / "n.safetensors", note=value)
    assert list(tmp_path.iterdir()) == []
