"""What our own files say of their network: believed only where it can be true, and written the same each time."""

from __future__ import annotations

import hashlib
import json
import sys
import time

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from drn_lib.checkpoints import files
from drn_lib.checkpoints.onnx import read_trained
from drn_lib.checkpoints.weights import load_any, load_trained, load_weights, save_weights
from drn_lib.network import create_model
from drn_lib.segmentation.network import SegmentationNetwork, load_segmentation, save_segmentation
from tests.library import run

MANY = json.dumps([f"class {number}" for number in range(100_000)])
WRONG = [
    ("architecture", "[1]", r"there is no network \[1\]"),
    ("architecture", "drn_c_27", "there is no network 'drn_c_27'; did you mean drn_c_26"),
    ("architecture", "null", "there is no network None"),
    ("architecture", "{}", "there is no network {}"),
    ("num_classes", "ten", "num_classes must be a whole number .* not 'ten'"),
    ("num_classes", "0", "num_classes must be a whole number"),
    ("num_classes", "-3", "num_classes must be a whole number"),
    ("num_classes", "true", "num_classes must be a whole number"),
    ("num_classes", "5.0", "num_classes must be a whole number"),
    ("num_classes", "[5]", "num_classes must be a whole number"),
    ("num_classes", "1000000000", "num_classes must be a whole number"),
    ("num_classes", "7", "names 7 classes and its classifier has 5"),
    ("num_classes", "30000", "names 30000 classes and its classifier has 5"),
    ("width", "wide", "width must be a number above 0.* not 'wide'"),
    ("width", "NaN", "width must be a number above 0"),
    ("width", "Infinity", "width must be a number above 0"),
    ("width", "100000", "width must be a number above 0"),
    ("width", "0", "width must be a number above 0"),
    ("width", "-0.125", "width must be a number above 0"),
    ("width", "true", "width must be a number above 0"),
    ("width", "[0.125]", "width must be a number above 0"),
    ("width", "1e400", "width must be a number above 0"),
    ("width", "2", "width 2 and its tensors are those of another"),
    ("width", "0.25", "width 0.25 and its tensors are those of another"),
    ("dilation_rule", "[]", r"there is no dilation rule \[\]"),
    ("dilation_rule", "fig5", "there is no dilation rule 'fig5'"),
    ("dilation_rule", "3", "there is no dilation rule 3"),
    ("classes", "7", "classes must be a list of 5 different names"),
    ("classes", "abcde", "classes must be a list of 5 different names"),
    ("classes", '["a", "b"]', "classes must be a list of 5 different names"),
    ("classes", '["a", "b", "c", "d", "d"]', "classes must be a list of 5 different names"),
    ("classes", "[1, 2, 3, 4, 5]", "classes must be a list of 5 different names"),
    ("classes", '{"a": 0, "b": 1, "c": 2, "d": 3, "e": 4}', "classes must be a list of 5 different names"),
    ("classes", "false", "classes must be a list of 5 different names"),
    ("classes", "[" * 10**5, "classes must be a list of 5 different names"),
    ("classes", MANY, "classes must be a list of 5 different names"),
]


def model(name: str = "drn_c_26"):
    torch.manual_seed(0)
    return create_model(name, 5, 0.125).eval()


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    save_weights(model(), folder / "c.safetensors", list("abcde"))
    save_segmentation(SegmentationNetwork(model(), 5), folder / "s.safetensors", list("abcde"))
    return folder


def changed(source, file, **changes):
    with safe_open(source, "pt") as stored:
        metadata = {**stored.metadata(), **changes}
    save_file(load_file(source), file, {key: value for key, value in metadata.items() if value is not None})
    return file


@pytest.mark.parametrize("read", [load_trained, read_trained])
@pytest.mark.parametrize(("key", "value", "says"), WRONG)
def test_a_description_that_cannot_be_true_is_one_sentence(read, key, value, says, own, tmp_path):
    file, start = changed(own / "c.safetensors", tmp_path / "x.safetensors", **{key: value}), time.process_time()
    with pytest.raises(ValueError, match=says) as caught:
        read(file)
    said = str(caught.value)
    assert "x.safetensors" in said and "\n" not in said and len(said) < 400
    assert time.process_time() - start < 2  # nothing large was made first


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("upsampling", "nearest", "there is no upsampling 'nearest'"),
        ("upsampling", None, "there is no upsampling None"),
        ("colors", "[1]", r"there is no color normalization \[1\]"),
        ("colors", None, "there is no color normalization None"),
        ("colors", "citiscapes", "did you mean cityscapes"),
        ("task", "detection", "classifier of whole images"),
        ("task", None, "classifier of whole images"),
    ],
)
def test_a_segmentation_networks_too(key, value, says, own, tmp_path):
    file = changed(own / "s.safetensors", tmp_path / "x.safetensors", **{key: value})
    with pytest.raises(ValueError, match=says) as caught:
        load_segmentation(file)
    assert "x.safetensors" in str(caught.value) and "\n" not in str(caught.value)


def test_load_weights_checks_the_description_too(own, tmp_path):
    file = changed(own / "c.safetensors", tmp_path / "x.safetensors", num_classes="7")
    pytest.raises(ValueError, load_weights, model(), file).match("x.safetensors does not .* it names 7 classes and")
    pytest.raises(ValueError, load_any, str(file)).match("names 7 classes")


def test_a_file_that_lacks_a_tensor_is_one_sentence(own, tmp_path):
    with safe_open(own / "c.safetensors", "pt") as stored:
        metadata = stored.metadata()
    for lost in (
        "classifier.bias",
        "stem.conv.weight",
        "levels.6.0.convs.0.conv.weight",
        "levels.8.0.convs.1.norm.bias",
    ):
        tensors = load_file(own / "c.safetensors")
        del tensors[lost]
        save_file(tensors, tmp_path / "x.safetensors", metadata)
        pytest.raises(ValueError, load_trained, tmp_path / "x.safetensors").match(lost)


def test_names_of_weights_get_the_nearest_ones():
    for load in (load_trained, load_any, load_segmentation, lambda name: load_weights(model(), name)):
        with pytest.raises(FileNotFoundError, match="did you mean .*first_networks/drn_c_26-s0") as caught:
            load("first_network/drn_c_26-s0")
        assert len(str(caught.value)) < 200
    pytest.raises(FileNotFoundError, load_weights, model(), "drn_c_27").match("did you mean .*drn_c_26")
    pytest.raises(ValueError, load_any, None, "drn_c_27").match("there is no network 'drn_c_27'; did you mean")
    pytest.raises(ValueError, load_any, "released", "drn_c_27").match("there is no network 'drn_c_27'; did you mean")


def test_no_file_is_written_that_could_not_be_read(tmp_path):
    file = tmp_path / "x.safetensors"
    for classes in (["a"] * 5, list("abcd"), "abcde", [1, 2, 3, 4, 5]):
        with pytest.raises(ValueError, match="classes must be a list of 5 different names"):
            save_weights(model(), file, classes)
    harmed = model()
    harmed.stem.norm.running_var -= 2
    pytest.raises(ValueError, save_weights, harmed, file).match("stem.norm.running_var .* holds a variance below zero")
    assert not file.exists()


SAVE = """
import sys, torch
from drn_lib.network import create_model
from drn_lib.checkpoints.weights import save_weights
torch.manual_seed(0)
model = create_model("drn_c_26", 5, 0.125)
save_weights(model, sys.argv[1], list("abcde"), **eval(sys.argv[2]))
"""


def test_a_file_is_the_same_byte_for_byte_each_time(tmp_path):
    about = {"zeta": 1, "alpha": {"b": 2, "a": 1}, "study": "s", "seed": 3, "beta": [1], "gamma": "x"}
    classifier, pixels = model(), SegmentationNetwork(model())
    found = [save_weights(classifier, tmp_path / str(number), list("abcde"), **about) for number in range(4)]
    segmentation = [save_segmentation(pixels, tmp_path / f"s{number}", list("abcde"), **about) for number in range(4)]
    answer = run(sys.executable, "-c", SAVE, str(tmp_path / "other"), repr(about), PYTHONHASHSEED="7")
    assert answer.returncode == 0, answer.stderr
    assert len({files.sha256_of(file) for file in [*found, tmp_path / "other"]}) == 1
    assert len({files.sha256_of(file) for file in segmentation}) == 1


def test_the_header_is_one_that_safetensors_reads(tmp_path):
    file = save_weights(model(), tmp_path / "x.safetensors", ["é", "b", "c", "d", "e"], note="ü")
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert length % 8 == 0 and list(header) == sorted(header)
    assert list(header["__metadata__"]) == sorted(header["__metadata__"])
    assert load_trained(file).classes[0] == "é" and files.read_weights(file)[1]["note"] == "ü"
    assert hashlib.sha256(content).hexdigest() == files.sha256_of(file)
