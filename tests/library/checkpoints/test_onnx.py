"""ONNX files: what onnxruntime computes of them equals torch, and what a reader must know stands in the metadata."""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from drn_lib import images, paths
from drn_lib.checkpoints import files
from drn_lib.checkpoints.onnx import TrainedArrays, onnx_model, read_trained, save_onnx
from drn_lib.checkpoints.weights import load_trained, save_weights
from drn_lib.cli.commands import main
from drn_lib.network import create_model
from drn_lib.segmentation.network import SegmentationNetwork, load_segmentation, save_segmentation

SHIPPED = [paths.checkpoints_dir() / f"{files.SHIPPED.format(name)}.safetensors" for name in ("drn_a_18", "drn_c_26")]
# One of each kind of block, front and tail: bottlenecks, plain blocks, pooling, both dilation rules, no dilation.
KINDS = [("resnet_50", None), ("drn_a_18", "levels"), ("drn_b_26", None), ("drn_c_58", None), ("drn_d_22", None)]


def fresh(name: str, rule: str | None = None, seed: int = 0) -> tuple[torch.nn.Module, TrainedArrays]:
    """A narrow network with random weights that 16 bits do not hold, its normalization as if it had been trained."""
    torch.manual_seed(seed)
    model = create_model(name, 5, width=0.125, dilation_rule=rule).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low, high in ((module.weight, 0.5, 1.5), (module.running_var, 0.5, 2.0), (module.bias, -1, 1)):
                torch.nn.init.uniform_(tensor.data, low, high)
            torch.nn.init.uniform_(module.running_mean, -1, 1)
    tensors = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    return model, TrainedArrays(model.table, tensors, list("abcde"), "a file", "0" * 64, "none")


def run(model: onnx.ModelProto, x: torch.Tensor) -> dict[str, np.ndarray]:
    """What onnxruntime makes of images, by the outputs' names."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": x.numpy()}), strict=True))


def expected(model: torch.nn.Module, x: torch.Tensor) -> dict[str, np.ndarray]:
    with torch.inference_mode():
        levels = {f"level_{number}": level.numpy() for number, level in model.features(x).items()}
        return {"score_map": model.score_map(x).numpy(), **levels}


def differences(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> dict[str, float]:
    """Largest difference of each output, relative to its largest value."""
    assert found.keys() == wanted.keys()
    return {name: float(np.abs(found[name] - wanted[name]).max() / np.abs(wanted[name]).max()) for name in wanted}


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_the_shipped_networks_lose_nothing(file):
    """Their kernels are stored in 16 bits anyway, so that both storages hold the same numbers."""
    x = torch.randn(1, 3, 72, 56)
    found = run(onnx_model(read_trained(file)), x)
    assert max(differences(found, expected(load_trained(file), x)).values()) < 1e-5
    assert max(differences(found, run(onnx_model(read_trained(file), "float32"), x)).values()) == 0


@pytest.mark.parametrize(("name", "rule"), KINDS)
def test_every_kind_of_network_is_torch_s(name, rule):
    model, trained = fresh(name, rule)
    x = torch.randn(2, 3, 64, 41)  # no square, no multiple of 8
    assert max(differences(run(onnx_model(trained, "float32"), x), expected(model, x)).values()) < 1e-4


def test_what_16_bits_cost_weights_that_need_more():
    _, trained = fresh("drn_c_26")
    x = torch.randn(1, 3, 64, 64)
    exact, rounded = (run(onnx_model(trained, storage), x) for storage in ("float32", "float16"))
    assert 1e-6 < differences(rounded, exact)["score_map"] < 5e-3


def test_another_dilation_is_another_function():
    """The comparison can fail: one dilation of the graph changed shows at once."""
    model, trained = fresh("drn_c_26")
    graph = onnx_model(trained, "float32")
    node = next(node for node in graph.graph.node if node.name == "levels.6.0.convs.1.conv")
    attributes = {attribute.name: attribute for attribute in node.attribute}
    attributes["dilations"].ints[:] = [2, 2]
    attributes["pads"].ints[:] = [2, 2, 2, 2]
    x = torch.randn(1, 3, 64, 64)
    assert differences(run(graph, x), expected(model, x))["score_map"] > 1e-2


def test_the_metadata():
    file = SHIPPED[1]
    model = load_trained(file)
    about = {entry.key: entry.value for entry in onnx_model(read_trained(file)).metadata_props}
    assert (about["architecture"], about["width"], about["dilation_rule"]) == ("drn_c_26", "0.25", "levels")
    assert json.loads(about["classes"]) == model.classes and about["num_classes"] == "20"
    assert about["weights_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert about["kernel_storage"] == "float16" and "non-commercial" in about["licence"]
    normalization = json.loads(about["normalization"])
    assert (tuple(normalization["mean"]), tuple(normalization["std"])) == (images.MEAN, images.STD)
    outputs = json.loads(about["outputs"])
    assert outputs.pop("score_map") == {"channels": 20, "jump": 8}
    levels = {row["level"]: (row["channels"], row["jump"]) for row in outputs.values()}
    assert levels == {info.level: (info.channels, info.reduction) for info in model.feature_info}


def test_the_file_is_small_and_always_the_same(tmp_path):
    for file in SHIPPED:
        size = save_onnx(read_trained(file), tmp_path / "a.onnx")
        assert size == (tmp_path / "a.onnx").stat().st_size < 1.1 * file.stat().st_size
        save_onnx(read_trained(file), tmp_path / "b.onnx")
        assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    wide = onnx_model(read_trained(SHIPPED[0]), "float32").ByteSize()
    assert wide > 1.8 * onnx_model(read_trained(SHIPPED[0])).ByteSize()


def test_a_failed_write_leaves_nothing_and_keeps_the_old(tmp_path, monkeypatch):
    target = tmp_path / "a.onnx"
    target.write_bytes(b"old")
    monkeypatch.setattr(paths.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    pytest.raises(OSError, save_onnx, read_trained(SHIPPED[0]), target).match("disk full")
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


def test_what_does_not_fit_is_a_sentence(tmp_path, monkeypatch):
    _, trained = fresh("drn_c_26")
    kernel, missing = "levels.5.0.convs.0.conv.weight", dict(trained.tensors)
    pytest.raises(ValueError, onnx_model, trained, "int8").match("there is no storage called 'int8'")
    del missing[kernel]
    with pytest.raises(ValueError, match=f"has no {kernel}"):
        onnx_model(TrainedArrays(trained.table, missing, None, "a file", "", ""))
    too_large = {**trained.tensors, kernel: trained.tensors[kernel] * 1e6}
    with pytest.raises(ValueError, match="not finite in 16 bits"):
        onnx_model(TrainedArrays(trained.table, too_large, None, "a file", "", ""))
    (tmp_path / "half.safetensors").write_bytes(SHIPPED[0].read_bytes()[:1000])
    pytest.raises(ValueError, read_trained, tmp_path / "half.safetensors").match(
        "half.safetensors is damaged or cut off"
    )
    pytest.raises(FileNotFoundError, read_trained, tmp_path / "none.safetensors").match("no weights at")
    monkeypatch.setitem(sys.modules, "onnx", None)
    pytest.raises(RuntimeError, onnx_model, read_trained(SHIPPED[0])).match("pip install onnx")


def test_the_command(tmp_path, capsys):
    assert main(["export", "--arch", "drn_c_26", "--out", str(tmp_path / "c.onnx")]) == 0
    assert "drn_c_26, 2.6" in capsys.readouterr().out
    save_onnx(read_trained(SHIPPED[1]), tmp_path / "same.onnx")
    assert (tmp_path / "c.onnx").read_bytes() == (tmp_path / "same.onnx").read_bytes(), "with torch and without it"
    model, _ = fresh("drn_d_22")
    save_weights(model, tmp_path / "mine.safetensors")
    command = ["export", "--weights", str(tmp_path / "mine.safetensors"), "--storage", "float32"]
    assert main([*command, "--out", str(tmp_path / "new" / "mine.onnx")]) == 0
    about = {entry.key: entry.value for entry in onnx.load(tmp_path / "new" / "mine.onnx").metadata_props}
    assert (about["width"], about["classes"], about["licence"]) == ("0.125", "null", files.OTHER_LICENCE)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--out", "a.onnx"], "say which network"),
        (["--arch", "drn_c_26", "--out", "a.pt"], "ends in .onnx"),
        (["--arch", "drn_x", "--out", "a.onnx"], "drn_x"),
        (["--weights", "none", "--out", "a.onnx"], "there is no trained network 'none'"),
        (["--weights", str(SHIPPED[0]), "--arch", "drn_c_26", "--out", "a.onnx"], "holds a drn_a_18"),
    ],
)
def test_errors_of_the_command_are_one_sentence(arguments, says, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments]) == 1
    message = capsys.readouterr().err
    assert says in message and message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def about_of(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


@pytest.mark.parametrize(("colors", "upsampling"), [("cityscapes", "released"), ("imagenet", "bilinear")])
def test_a_segmentation_networks_metadata_are_its_own(colors, upsampling, tmp_path):
    backbone = create_model("drn_d_22", 3, 0.3)
    network = SegmentationNetwork(backbone, 5, upsampling, colors)
    file = save_segmentation(network, tmp_path / "s.safetensors", list("abcde"), licence="Mine: ask me.")
    assert main(["export", "--weights", str(file), "--out", str(tmp_path / "s.onnx")]) == 0
    exported = onnx.load(tmp_path / "s.onnx")
    for about in (about_of(exported), about_of(onnx_model(read_trained(file)))):
        normalization = json.loads(about["normalization"])
        assert (tuple(normalization["mean"]), tuple(normalization["std"])) == images.NORMALIZATION[colors]
        assert (about["task"], about["upsampling"], about["licence"]) == ("segmentation", upsampling, "Mine: ask me.")
        assert json.loads(about["classes"]) == list("abcde") and about["num_classes"] == "5"
        assert json.loads(about["outputs"])["score_map"] == {"channels": 5, "jump": 8}
        assert create_model("drn_d_22", 5, float(about["width"])).table == backbone.table
    assert [output.name for output in exported.graph.output][0] == "score_map"
    pixels = torch.zeros(1, 3, 24, 40, dtype=torch.uint8)
    found = run(exported, (pixels / 255 - torch.tensor(normalization["mean"]).view(1, 3, 1, 1)).float()
                / torch.tensor(normalization["std"]).view(1, 3, 1, 1))["score_map"]  # fmt: skip
    again = load_segmentation(file)
    with torch.inference_mode():
        assert np.allclose(found, again.backbone.score_map(again.prepare(pixels)), atol=1e-4)


@pytest.mark.parametrize("width", [0.01, 0.3, 0.77])
def test_the_width_builds_the_same_network(width):
    table = create_model("drn_c_26", 5, width).table
    model = create_model("drn_c_26", 5, width)
    tensors = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    about = about_of(onnx_model(TrainedArrays(table, tensors, None, "f", "", "")))
    assert create_model("drn_c_26", 5, float(about["width"])).table == table
    assert (about["task"], "upsampling" in about) == ("classification", False)


@pytest.mark.parametrize(
    ("name", "images_of", "frames_of"),
    [
        ("classification/drn_c_26-s0", True, False),
        ("first_streets/drn_c_26-s0", True, False),
        ("clutter/drn_c_26-s0", True, False),
        ("segmentation/drn_c_26-s0", True, True),
        ("segmentation/drn_c_26_scratch-s0", False, True),
    ],
)
def test_the_licences_of_all_data_sets_are_named(name, images_of, frames_of, tmp_path):
    licence = files.licence_of(files.find_shipped(name))
    assert ("Tiny-ImageNet" in licence, "CamVid" in licence and "CC BY-NC 4.0" in licence) == (images_of, frames_of)
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(files.find_shipped(name).read_bytes())
    assert files.licence_of(copy) == files.OTHER_LICENCE


@pytest.mark.parametrize("name", ["stem.conv.weight", "levels.6.0.convs.0.norm.bias", "classifier.weight"])
def test_tensors_of_another_shape_are_not_exported(name):
    _, trained = fresh("drn_c_26")
    other = {**trained.tensors, name: trained.tensors[name][:4]}
    with pytest.raises(ValueError, match=rf"{name} of a file is \[4.*, and drn_c_26 of this width has \["):
        onnx_model(TrainedArrays(trained.table, other, None, "a file", "", ""))
