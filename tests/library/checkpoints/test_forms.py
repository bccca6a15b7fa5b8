"""The forms in which checkpoints come: containers, names, values beside the tensors; and files that are none."""

from __future__ import annotations

import argparse
import bz2
import collections
import datetime
import gzip
import io
import lzma
import pathlib
import pickle
import tarfile
import types
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from drn_lib.checkpoints import forms
from drn_lib.checkpoints.files import read_weights, task_of
from drn_lib.checkpoints.onnx import read_trained
from drn_lib.checkpoints.weights import load_trained, load_weights, released_state_dict, save_weights
from drn_lib.network import create_model


def network(seed: int = 0, name: str = "drn_c_26"):
    torch.manual_seed(seed)
    return create_model(name, 5, 0.125).eval()


SOURCE = network()
TARGET = network(1)
STATE = released_state_dict(SOURCE)
TENSOR = torch.ones(3)


def is_loaded(content, **options) -> bool:
    for tensor in TARGET.state_dict().values():
        tensor.fill_(7)
    own, found = SOURCE.state_dict(), load_weights(TARGET, content, **options).state_dict()
    return all(torch.equal(own[name], found[name]) for name in own if not name.endswith("tracked"))


def saved(content, file, **options):
    torch.save(content, file, **options)
    return file


def renamed(prefix: str, state=None) -> dict:
    return {prefix + name: tensor for name, tensor in (state or STATE).items()}


OPTIMIZER = {"state": {0: {"momentum_buffer": TENSOR, "exp_avg.weight": TENSOR}}, "param_groups": [{"lr": 0.1}]}
CONTAINERS = {
    "bare": STATE,
    "state_dict": {"epoch": 3, "state_dict": STATE, "optimizer": OPTIMIZER},
    "model": {"model": STATE, "optimizer": OPTIMIZER, "lr_scheduler": {"_step": 3, "base_lrs": [0.1]}},
    "model_state_dict": {"model_state_dict": STATE, "optimizer_state_dict": OPTIMIZER, "loss": torch.tensor(0.3)},
    "twice": {"model": {"state_dict": STATE}},
    "thrice": {"checkpoint": {"model": {"params": STATE}}},
    "net": {"net": STATE, "acc": 93.1, "epoch": 7},
    "weights": {"weights": renamed("module."), "meta": {"names": ["a"]}},
    "params": {"params": STATE, "ema": None},
    "any name": {"best of all": STATE},
    "ordered": collections.OrderedDict(state_dict=collections.OrderedDict(STATE)),
    "lightning": {
        "state_dict": renamed("model."),
        "hyper_parameters": {"lr": 1.0},
        "callbacks": {"x": {"best": TENSOR}},
    },
    "parameters": {
        "state_dict": {name: torch.nn.Parameter(t) if t.is_floating_point() else t for name, t in STATE.items()}
    },
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_state_dict_is_found_in_every_container(name, tmp_path):
    assert is_loaded(CONTAINERS[name])
    assert is_loaded(saved(CONTAINERS[name], tmp_path / "x.pth"))


@pytest.mark.parametrize(
    ("content", "there"),
    [
        ({"state_dict": STATE, "state_dict_ema": STATE}, "state_dict, state_dict_ema"),
        ({"model": STATE, "model_ema": renamed("module.")}, "model, model_ema"),
        ({"generator": STATE, "discriminator": {"a.weight": TENSOR}}, "generator, discriminator"),
        ({"a": {"net": STATE, "teacher": STATE}}, "a.net, a.teacher"),
    ],
)
def test_of_several_state_dicts_none_is_chosen(content, there, tmp_path):
    with pytest.raises(ValueError, match=rf"x.pth holds several state dicts \({there}\): pass .* as a dict") as caught:
        load_weights(network(), saved(content, tmp_path / "x.pth"))
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "module.module.",
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "model.",
        "model.module.",
        "backbone.",
        "net.",
        "encoder.",
        "features.",
        "base.",
        "student.backbone.body.",
        "_fsdp_wrapped_module.",
        "model._orig_mod.encoder.",
    ],
)
@pytest.mark.parametrize("names", ["released", "ours"])
def test_a_prefix_that_all_names_share_is_no_part_of_them(prefix, names):
    assert is_loaded(renamed(prefix, STATE if names == "released" else SOURCE.state_dict()))


def test_the_prefixes_of_the_schemes_stay():
    """A segmentation network without its head is all `base.`, and pytorchcv's features are all `features.`."""
    from drn_lib.checkpoints.naming import module_names

    for scheme in ("segmentation", "pytorchcv"):
        names = dict(module_names(SOURCE.table, scheme))
        state = {
            f"backbone.{names[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": tensor
            for name, tensor in SOURCE.state_dict().items()
            if not name.startswith("classifier.")
        }
        target = load_weights(network(1), state, head="drop")
        assert torch.equal(target.levels["8"][0].convs[1].conv.weight, SOURCE.levels["8"][0].convs[1].conv.weight)


def test_wrappers_within_a_name_are_left_out():
    assert is_loaded({name.replace("layer5.", "layer5._orig_mod."): tensor for name, tensor in STATE.items()})
    assert is_loaded({name.replace("layer6.0", "layer6.0._checkpoint_wrapped_module"): t for name, t in STATE.items()})
    twice = {**STATE, "module.conv1.weight": STATE["conv1.weight"] + 1}
    with pytest.raises(ValueError, match="the state dict names conv1.weight twice"):
        load_weights(network(), twice)


def test_counts_of_other_tools_are_no_weights():
    assert is_loaded({"n_averaged": torch.tensor(3), **renamed("module.")})
    assert is_loaded(
        {**STATE, "total_ops": torch.zeros(1), "layer1.0.total_params": torch.zeros(1, dtype=torch.float64)}
    )


def test_a_prefix_that_some_names_lack_is_not_guessed():
    some = {**renamed("backbone."), "head.weight": TENSOR}
    pytest.raises(ValueError, load_weights, network(), some).match("does not fit drn_c_26 of width 0.125")


BESIDE = {
    "np.float64": np.float64(75.1),
    "np.float32": np.float32(75.1),
    "np.int64": np.int64(3),
    "np.bool": np.bool_(True),
    "array": np.arange(3.0),
    "random state": np.random.RandomState(0).get_state(),
    "Namespace": argparse.Namespace(lr=0.1, data="/x", sub=argparse.Namespace(a=1)),
    "SimpleNamespace": types.SimpleNamespace(lr=0.1),
    "defaultdict": collections.defaultdict(list, a=[1]),
    "nested defaultdict": collections.defaultdict(float, {"loss": 0.3}),
    "deque": collections.deque([1, 2], maxlen=3),
    "Counter": collections.Counter("aab"),
    "path": pathlib.PosixPath("/data/x") if pathlib.Path("/").exists() else None,
    "pure path": pathlib.PureWindowsPath("C:/x"),
    "datetime": datetime.datetime(2020, 1, 2, 3),
    "date": datetime.date(2020, 1, 2),
    "timedelta": datetime.timedelta(seconds=3),
    "zone": datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
    "size": torch.Size([1, 2]),
    "dtype": torch.float16,
    "device": torch.device("cuda", 1),
    "set": {1, 2},
    "frozenset": frozenset({1}),
    "complex": 1 + 2j,
    "bytes": b"abc",
}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("way", ["zip", "legacy"])
def test_plain_values_beside_the_tensors_are_read(name, way, tmp_path):
    how = {"_use_new_zipfile_serialization": way == "zip"}
    content = {"epoch": 1, "arch": "drn_c_26", "state_dict": renamed("module."), "best_prec1": BESIDE[name]}
    assert is_loaded(saved(content, tmp_path / "x.pth", **how))


def test_pickles_of_numpy_1_and_of_other_systems_are_read(tmp_path):
    for old, new in ((b"numpy._core.multiarray", b"numpy.core.multiarray"), (b"PosixPath", b"WindowsPath")):
        content = {"state_dict": STATE, "best_prec1": np.float64(75.1), "out": pathlib.PosixPath("x")}
        file = saved(content, tmp_path / "x.pth", _use_new_zipfile_serialization=False)
        found = file.read_bytes()
        assert old in found
        file.write_bytes(found.replace(old, new))  # protocol 2 ends names by a line's end
        assert is_loaded(file)


@pytest.mark.parametrize("suffix", ["SAFETENSORS", "Safetensors", "pth", "bin", "ckpt", "safetensors.bak"])
def test_safetensors_are_known_by_their_bytes(suffix, tmp_path):
    save_file(STATE, tmp_path / f"x.{suffix}")
    assert is_loaded(tmp_path / f"x.{suffix}")
    own = save_weights(SOURCE, tmp_path / f"own.{suffix}", task="something")
    assert load_trained(own).table == SOURCE.table and read_trained(own).table == SOURCE.table
    assert task_of(own) == "something"


def test_a_checkpoint_of_torch_is_known_by_its_bytes(tmp_path):
    for file in (tmp_path / "x.safetensors", tmp_path / "x.PTH", tmp_path / "x"):
        assert is_loaded(saved(STATE, file))
    pytest.raises(ValueError, read_trained, tmp_path / "x.safetensors").match(
        "x.safetensors is a checkpoint of PyTorch"
    )


def zipped(names: dict[str, bytes], **options) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"))
    return file.getvalue()


def in_numpy(save, *arrays, **named) -> bytes:
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


def in_torch(content, **options) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def scripted() -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), file)
    return file.getvalue()


def onnx_file() -> bytes:
    from drn_lib.checkpoints.onnx import TrainedArrays, onnx_model

    model = network(name="resnet_18")
    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return onnx_model(TrainedArrays(model.table, tensors, None, "f", "", "")).SerializeToString()


class Plain(torch.nn.Module):
    """A network of somebody else."""


WHOLE = in_torch(STATE)
LEGACY = in_torch(STATE, _use_new_zipfile_serialization=False)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 84\n"
STRANGERS = {
    "lfs": (lambda: LFS, "a Git LFS pointer"),
    "page": (lambda: b"<!DOCTYPE html><html>moved</html>", "a web page"),
    "page, blank lines": (lambda: b"\n\n  <html><body>", "a web page"),
    "page, byte order mark": (lambda: b"\xef\xbb\xbf<!doctype html>", "a web page"),
    "xml": (lambda: b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
    "script": (scripted, "a TorchScript archive"),
    "gzip": (lambda: gzip.compress(WHOLE), "compressed"),
    "bz2": (lambda: bz2.compress(WHOLE[:5000]), "compressed"),
    "xz": (lambda: lzma.compress(WHOLE[:5000]), "compressed"),
    "zstd": (lambda: b"\x28\xb5\x2f\xfd" + b"\0" * 50, "compressed"),
    "7z": (lambda: b"7z\xbc\xaf\x27\x1c" + b"\0" * 50, "compressed"),
    "rar": (lambda: b"Rar!\x1a\x07\x01\0" + b"\0" * 50, "compressed"),
    "tar": (tarred, "a tar archive"),
    "zip": (lambda: zipped({"weights/x.pth": b"abc"}), "a zip archive that holds no checkpoint"),
    "empty zip": (lambda: zipped({}), "a zip archive that holds no checkpoint"),
    "zip bomb": (
        lambda: zipped({"x/data.pkl": b"\0" * 10**7}, compression=zipfile.ZIP_DEFLATED),
        "a zip archive that holds no checkpoint",
    ),
    "npz": (lambda: in_numpy(np.savez, a=np.ones(2)), "NumPy"),
    "npy": (lambda: in_numpy(np.save, np.ones(2)), "NumPy"),
    "onnx": (onnx_file, "an ONNX model"),
    "h5": (lambda: b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "an HDF5 file"),
    "png": (lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "an image"),
    "jpeg": (lambda: b"\xff\xd8\xff\xe0" + b"\0" * 100, "an image"),
    "pdf": (lambda: b"%PDF-1.7\n" + b"\0" * 100, "a PDF"),
    "json": (lambda: b'{"architecture": "drn_c_26"}', "text"),
    "yaml": (lambda: b"arch: drn_c_26\n", "text"),
    "empty": (lambda: b"", "empty"),
    "zeros": (lambda: b"\0" * 5000, "damaged or cut off"),
    "noise": (lambda: np.random.default_rng(3).bytes(5000), "damaged or cut off"),
    "cut zip": (lambda: WHOLE[:-1000], "damaged or cut off"),
    "cut early": (lambda: WHOLE[:100], "damaged or cut off"),
    "one byte": (lambda: b"\1", "damaged or cut off"),
    "protocol 4": (lambda: in_torch(STATE, pickle_protocol=4), "by another protocol"),
    "a call": (lambda: in_torch({"x": range(3), **STATE}), "more than tensors and plain values .*range"),
    "cut legacy": (lambda: LEGACY[:-1000], "damaged or cut off"),
    "cut legacy early": (lambda: LEGACY[:60], "damaged or cut off"),
    "cut safetensors": (lambda: save(STATE)[:-1000], "damaged or cut off"),
    "safetensors' header cut": (lambda: save(STATE)[:500], "damaged or cut off"),
    "changed zip": (lambda: WHOLE[:60000] + b"\7\7\7\7" + WHOLE[60004:], "damaged or cut off"),
    "whole model": (
        lambda: in_torch(torch.nn.Sequential(torch.nn.ReLU())),
        r"more than tensors and plain values \(.*Sequential\)",
    ),
    "whole model, legacy": (
        lambda: in_torch(Plain(), _use_new_zipfile_serialization=False),
        r"more than tensors and plain values \(.*Plain\)",
    ),
    "pickle": (lambda: pickle.dumps({"a.weight": 1}), "a pickle of Python"),
    "joblib": (lambda: pickle.dumps(np.ones(3)), "a pickle of Python"),
    "bare dict": (lambda: in_torch({"epoch": 1}), "holds no state dict"),
    "list": (lambda: in_torch([TENSOR]), "holds no state dict"),
    "integer keys": (lambda: in_torch({0: TENSOR, 1: TENSOR}), "holds no state dict"),
    "mixed keys": (lambda: in_torch({**STATE, 3: TENSOR}), "a name that is no text: 3"),
    "arrays": (
        lambda: in_torch({"conv1.weight": np.ones(3), "bn1.bias": np.ones(2)}),
        "conv1.weight .* ndarray, not a",
    ),
    "lists": (lambda: in_torch({"state_dict": {"conv1.weight": [1.0]}}), "conv1.weight .* list, not a tensor"),
    "names alone": (lambda: in_torch({**STATE, "fc.bias": None}), "fc.bias .* NoneType, not a tensor"),
}


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("name", STRANGERS)
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_checkpoint_is_told_as_what_it_is(name, suffix, tmp_path):
    make, says = STRANGERS[name]
    (tmp_path / f"x.{suffix}").write_bytes(make())
    with pytest.raises(ValueError, match=says) as caught:
        load_weights(TARGET, tmp_path / f"x.{suffix}")
    said = str(caught.value)
    assert f"x.{suffix}" in said and "\n" not in said and "weights_only" not in said and len(said) < 300
    assert task_of(tmp_path / f"x.{suffix}") is None
    pytest.raises(ValueError, read_trained, tmp_path / f"x.{suffix}").match(f"x.{suffix}")


def test_a_folder_is_told_as_such(tmp_path):
    pytest.raises(FileNotFoundError, load_weights, network(), tmp_path).match("is a folder: name the file of weights")
    pytest.raises(FileNotFoundError, load_trained, tmp_path).match("is a folder: name the file of weights")
    pytest.raises(ValueError, read_weights, tmp_path).match("is a folder")


@pytest.mark.parametrize("whole", [WHOLE, LEGACY, save(STATE)], ids=["zip", "legacy", "safetensors"])
@pytest.mark.filterwarnings("ignore")
def test_garbled_files_are_one_sentence_or_other_weights(whole, tmp_path):
    random, file, told = np.random.default_rng(0), tmp_path / "x.pth", 0
    for round in range(12):
        content = bytearray(whole)
        places = random.integers(0, len(whole) if round % 2 else 4000, random.integers(1, 20))
        for place in places:
            content[place] = random.integers(256)
        file.write_bytes(content)
        try:
            load_weights(TARGET, file)
        except ValueError as error:
            told += 1
            assert "x.pth" in str(error) and "\n" not in str(error) and "weights_only" not in str(error)
    assert told >= 5


@pytest.mark.parametrize(("ratio", "known"), [(19.5, True), (20.5, False)])
def test_an_archive_may_unpack_to_twenty_times_its_size(ratio, known, tmp_path):
    """What is packed well by nature, a network of zeros, is read; a bomb is not."""
    noise, file = np.random.default_rng(0).bytes(20_000), tmp_path / "net.pth"
    size = 20_000 * ratio
    for _ in range(5):  # the archive grows a little with its zeros
        parts = {"x/data.pkl": noise, "x/zeros": b"\0" * int(size)}
        file.write_bytes(zipped(parts, compression=zipfile.ZIP_DEFLATED))
        size *= ratio * file.stat().st_size / (size + len(noise))
    if known:
        assert forms.form_of(file) == "torch"
    else:
        with pytest.raises(ValueError, match="a zip archive that holds no checkpoint"):
            forms.form_of(file)
