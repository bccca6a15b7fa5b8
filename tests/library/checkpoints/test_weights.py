"""Weights in every published form, and one clear sentence for each wrong file."""

import hashlib
import json
import pickle
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import save_file

from drn_lib import paths
from drn_lib.architecture import architecture, list_models, scale_width, width_of
from drn_lib.checkpoints import files
from drn_lib.checkpoints.naming import dead_modules, module_names
from drn_lib.checkpoints.weights import load_trained, load_weights, released_state_dict, save_weights
from drn_lib.conversion import dilate
from drn_lib.network import create_model
from drn_lib.segmentation import load_segmentation, save_segmentation
from tests.library.checkpoints.released import randomized

CLASSES = ["cat", "dog", "bus", "tree", "sea"]


def small(name: str, seed: int = 0, **options):
    """A small network whose every tensor is its own."""
    torch.manual_seed(seed)
    return randomized(create_model(name, **{"num_classes": 5, "width": 1 / 8, **options}))


def same(first, second, without: str = "nothing") -> bool:
    """Whether two networks hold the same tensors, leaving out names that begin with `without` and the counters."""
    a, b = first.state_dict(), second.state_dict()
    names = [name for name in a if not name.startswith(without) and not name.endswith("num_batches_tracked")]
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in names)


def without_counters(state: dict) -> dict:
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def segmentation_state_dict(model) -> dict:
    """What the authors' segmentation network would save: the parts renumbered, the head `seg`, a fixed `up`."""
    names = dict(module_names(model.table, "segmentation"))
    parts = {name: name.rpartition(".") for name in model.state_dict()}
    state = {f"{names[parts[name][0]]}.{parts[name][2]}": tensor for name, tensor in model.state_dict().items()}
    return {**state, "up.weight": torch.ones(5, 1, 16, 16)}


def parallel(state: dict) -> dict:
    return {f"module.{name}": value for name, value in state.items()}


def checkpoint(model, state: dict, best) -> dict:
    """What the authors' training saves."""
    return {"epoch": 119, "arch": model.table.name, "state_dict": parallel(state), "best_prec1": best}


# Each published form of the same weights: what is in the file, given the network.
FORMS = {
    "bare": released_state_dict,
    "before counters": lambda model: without_counters(released_state_dict(model)),
    "DataParallel": lambda model: parallel(released_state_dict(model)),
    "training checkpoint": lambda model: checkpoint(model, released_state_dict(model), torch.tensor(75.14)),
    "checkpoint without prefix": lambda model: {"state_dict": released_state_dict(model), "best_prec1": 75.14},
    "segmentation": segmentation_state_dict,
    "segmentation checkpoint": lambda model: checkpoint(model, segmentation_state_dict(model), 0.68),
    "our names": lambda model: model.state_dict(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["drn_c_26", "drn_c_58", "drn_d_22", "drn_d_24", "drn_a_50", "drn_b_26"])
def test_every_published_form_is_read(name, form, tmp_path):
    source, target = small(name), small(name, seed=1)
    file = tmp_path / "weights.pth"
    torch.save(FORMS[form](source), file)
    assert not same(source, target)
    assert load_weights(target, file) is target
    assert same(source, target)


@pytest.mark.parametrize("name", ["drn_c_26", "drn_d_22"])
def test_pytorchcvs_names_are_read(name):
    source = small(name)
    pairs = module_names(source.table, "pytorchcv")
    state = {
        f"{theirs}.{leaf}": source.state_dict()[f"{ours}.{leaf}"]
        for ours, theirs in pairs
        for leaf in ("weight", "bias", "running_mean", "running_var")
        if f"{ours}.{leaf}" in source.state_dict()
    }
    assert same(load_weights(small(name, seed=1), state), source)


@pytest.mark.parametrize("name", ["drnc26", "drnc58", "drnd22", "drnd54"])
def test_the_names_are_the_ones_that_pytorchcv_has(name):
    provider = pytest.importorskip("pytorchcv.model_provider")
    with torch.device("meta"):
        state = provider.get_model(name, pretrained=False).state_dict()
    table = architecture(f"drn_{name[3]}_{name[4:]}")
    modules = list(dict.fromkeys(key.rpartition(".")[0] for key in state))
    assert [theirs for _, theirs in module_names(table, "pytorchcv")] == modules


@pytest.mark.parametrize("ours", ["resnet_18", "drn_a_18"])
def test_torchvisions_resnet_goes_into_resnet_and_into_drn_a(ours):
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=5)
    model = load_weights(create_model(ours, num_classes=5), theirs.state_dict())
    exported = released_state_dict(model)
    assert all(torch.equal(exported[name], tensor) for name, tensor in theirs.state_dict().items())


def test_the_dead_shortcut_of_c_58_is_exported_and_dropped_again():
    model = small("drn_c_58")
    exported = released_state_dict(model)
    ((prefix, _, _),) = dead_modules(model.table, "released")
    assert prefix == "layer7.0.downsample" and f"{prefix}.0.weight" in exported
    exported[f"{prefix}.0.weight"].fill_(3)
    assert same(load_weights(small("drn_c_58", seed=1), exported), model)
    del exported[f"{prefix}.0.weight"], exported[f"{prefix}.1.weight"]
    assert same(load_weights(small("drn_c_58", seed=1), exported), model)


def test_drop_keeps_the_fresh_classifier():
    for state in (released_state_dict(small("drn_d_22")), segmentation_state_dict(small("drn_d_22"))):
        target, fresh = small("drn_d_22", seed=1, num_classes=7), small("drn_d_22", seed=1, num_classes=7)
        load_weights(target, state, head="drop")
        assert torch.equal(target.classifier.weight, fresh.classifier.weight)
        assert not same(target, fresh)
    source = small("drn_d_22")
    headless = {name: tensor for name, tensor in released_state_dict(source).items() if not name.startswith("fc.")}
    assert same(load_weights(small("drn_d_22", seed=1), headless, head="drop"), source, without="classifier.")


def test_our_own_file_gives_the_network_back(tmp_path):
    model = small("drn_c_26", dilation_rule="exact")
    file = save_weights(model, tmp_path / "new" / "c.safetensors", CLASSES, mean=[0.5, 0.25], study="first")
    with safe_open(file, "pt") as stored:
        metadata = stored.metadata()
        dtypes = {name: stored.get_tensor(name).dtype for name in stored.keys()}  # noqa: SIM118 - not a dict
    assert metadata["architecture"] == "drn_c_26" and json.loads(metadata["width"]) == 1 / 8
    assert json.loads(metadata["classes"]) == CLASSES and json.loads(metadata["num_classes"]) == 5
    assert metadata["dilation_rule"] == "exact"
    assert json.loads(metadata["mean"]) == [0.5, 0.25] and metadata["study"] == "first"
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            assert name not in dtypes
        else:
            assert dtypes[name] == (torch.float16 if tensor.ndim > 1 else torch.float32)

    loaded = load_trained(file)
    assert loaded.table == model.table and loaded.classes == CLASSES and not loaded.training
    assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())
    expected = model.state_dict()
    for name, tensor in loaded.state_dict().items():
        rounded = expected[name].half().float() if tensor.ndim > 1 else expected[name]
        assert name.endswith("num_batches_tracked") or torch.equal(tensor, rounded)
    images = torch.randn(2, 3, 64, 64)
    scale = model(images).abs().max()
    assert 0 < (loaded(images) - model(images)).abs().max() / scale < 0.01

    again = save_weights(loaded, tmp_path / "again.safetensors", loaded.classes)
    assert same(load_trained(again), loaded)
    assert same(load_weights(small("drn_c_26", seed=1, dilation_rule="exact"), file), loaded)


def test_a_file_without_class_names_and_a_network_without_dilation(tmp_path):
    loaded = load_trained(save_weights(small("resnet_18"), tmp_path / "r.safetensors"))
    assert loaded.classes is None and loaded.table.dilation_rule is None


@pytest.mark.parametrize("width", [0.01, 0.04, 0.1, 0.25, 0.3, 0.333, 0.5, 0.77, 1.0, 1.1])
def test_the_width_that_is_stored_builds_the_same_table(width):
    for name in list_models():
        table = scale_width(architecture(name), width)
        assert scale_width(architecture(name), width_of(table)) == table


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    file = save_weights(small("drn_d_22"), tmp_path / "d.safetensors")
    before = file.read_bytes()

    def full_disk(path, content):
        with open(path, "wb") as handle:
            handle.write(content[:1000])
        raise OSError("No space left on device")

    monkeypatch.setattr(type(file), "write_bytes", full_disk)
    pytest.raises(OSError, save_weights, small("drn_d_22", seed=1), file).match("No space")
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_saved(tmp_path):
    model, file = small("drn_d_22"), tmp_path / "d.safetensors"
    with pytest.raises(ValueError, match="classes must be a list of 5 different names, or None"):
        save_weights(model, file, ["cat", "dog"])
    model.stem.conv.weight.data[0] = 1e6
    with pytest.raises(ValueError, match="stem.conv.weight holds values that are not finite in torch.float16"):
        save_weights(model, file)
    for converted in (dilate(small("resnet_18"), 16), dilate(small("resnet_101", width=0.01), 8)):
        pytest.raises(ValueError, save_weights, converted, file).match("save the ResNet that it came from")
    assert not file.exists()
    twin = dilate(small("resnet_18"), 8)
    assert same(load_trained(save_weights(twin, file)).half().float(), twin.half().float())


def test_our_own_files_know_more_than_names_and_shapes(tmp_path):
    b = save_weights(small("drn_b_26"), tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match="b.safetensors holds a drn_b_26, not a drn_c_26"):
        load_weights(small("drn_c_26"), b)
    a = save_weights(small("drn_a_18"), tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="trained with dilation rule 'exact' and the model has 'levels': make it with"):
        load_weights(small("drn_a_18", dilation_rule="levels"), a)
    r = save_weights(small("resnet_18"), tmp_path / "r.safetensors")
    for target in (small("drn_a_18", seed=1), dilate(small("resnet_18", seed=1), 16)):
        assert same(load_weights(target, r), load_trained(r))


def message(model, content, **options) -> str:
    """The one sentence for a wrong file; the model must be as before."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError) as caught:
        load_weights(model, content, **options)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    return str(caught.value)


def test_a_wrong_file_says_which_network_it_fits_and_what_differs():
    text = message(small("drn_c_42"), released_state_dict(small("drn_d_22")))
    assert "not fit drn_c_42 of width 0.125: it fits drn_d_22 of width 0.125 with 5 classes; missing: conv1." in text
    assert "unexpected: layer0.0.weight" in text and "more; of another shape" in text
    text = message(small("drn_d_22"), released_state_dict(small("drn_c_26")))
    assert "it fits drn_b_26 of width 0.125 or drn_c_26 of width 0.125 with 5 classes" in text
    text = message(small("drn_d_22"), released_state_dict(small("drn_d_22", width=1 / 4)))
    assert "it fits drn_d_22 of width 0.25 with" in text
    assert "missing: nothing; unexpected: nothing; of another shape: layer0.0.weight [8, 3, 7, 7]" not in text
    assert "of another shape: layer3.0" in text
    text = message(small("drn_d_22"), segmentation_state_dict(small("drn_d_38")))
    assert "it fits drn_d_38 of width 0.125 with 5 classes; missing: base.3.2" in text or "unexpected: base.3.2" in text
    text = message(small("drn_c_26"), torchvision.models.resnet18().state_dict())
    assert "it fits resnet_18 or drn_a_18 with 1000 classes" in text


def test_a_file_of_nobody_is_told_as_such():
    state = released_state_dict(small("drn_d_22"))
    del state["layer5.1.bn2.running_var"]
    text = message(small("drn_d_22"), {**state, "layer9.weight": torch.ones(2)})
    assert "it fits none of our networks; missing: layer5.1.bn2.running_var; unexpected: layer9.weight;" in text
    assert "fits none" in message(small("drn_d_22"), torchvision.models.squeezenet1_0().state_dict())
    headless = {name: tensor for name, tensor in released_state_dict(small("drn_d_22")).items() if "fc." not in name}
    assert "missing: fc.weight, fc.bias;" in message(small("drn_d_22"), headless)


def test_another_number_of_classes_and_wrong_arguments_say_what_to_do():
    text = message(small("drn_d_22", num_classes=7), released_state_dict(small("drn_d_22")))
    assert text.startswith("the state dict has 5 classes and the model 7: ") and "head='drop'" in text
    state = released_state_dict(small("drn_d_22"))
    for head in ("keep", None, ["drop"]):
        assert "there is no way to treat the head called" in message(small("drn_d_22"), state, head=head)
    assert "for a file, not for a state dict" in message(small("drn_d_22"), state, sha256="0" * 64)
    with pytest.raises(ValueError, match="fills a network from create_model, not a ResNet"):
        load_weights(torchvision.models.resnet18(), state)


@pytest.mark.parametrize("wrong", [3, 2.5, None, True, ["net.pth"], b"net.pth", np.zeros(2)], ids=repr)
def test_what_is_no_path_is_refused(wrong, tmp_path):
    model = small("drn_d_22")
    for call in (
        lambda: load_trained(wrong),
        lambda: load_weights(model, wrong),
        lambda: load_segmentation(wrong),
    ):
        with pytest.raises(ValueError, match="a file or name of weights must be a path, not"):
            call()
    with pytest.raises(ValueError, match="the file of weights must be a path, not"):
        save_weights(model, wrong)
    for save, kind in ((save_weights, "Network"), (save_segmentation, "SegmentationNetwork")):
        with pytest.raises(ValueError, match=f"the model must be of type {kind}, not {type(wrong).__name__}"):
            save(wrong, tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


class Bomb:
    """Runs code when it is unpickled without care."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


@pytest.mark.filterwarnings("ignore")
def test_a_malicious_file_is_refused_and_runs_nothing(tmp_path):
    trace = tmp_path / "it_ran"
    contents = Bomb(trace), {"weight": Bomb(trace)}, {"state_dict": {"conv1.weight": Bomb(trace)}}
    for number, content in enumerate(contents):
        torch.save(content, tmp_path / f"zip{number}.pth")
        torch.save(content, tmp_path / f"legacy{number}.pth", _use_new_zipfile_serialization=False)
        (tmp_path / f"plain{number}.pkl").write_bytes(pickle.dumps(content))
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "script.pth")
    for file in sorted(tmp_path.iterdir()):
        text = message(small("drn_d_22"), file)
        assert text.startswith(file.name)
        assert "nothing in it was run" in text or "is a TorchScript archive, a program" in text
        assert "weights_only" not in text  # nobody is advised to read it all the same
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("page", b"<!DOCTYPE html><html>moved</html>", "is a web page"),
        ("empty", b"", "is empty"),
        ("cut", None, "is damaged or cut off"),
    ],
)
def test_a_damaged_file_is_one_sentence(name, suffix, content, says, tmp_path):
    file = tmp_path / f"{name}{suffix}"
    if content is None:
        state = without_counters(released_state_dict(small("drn_d_22")))
        torch.save(state, file) if suffix == ".pth" else save_file(state, file)
        content = file.read_bytes()[:-1000]
    file.write_bytes(content)
    text = message(small("drn_d_22"), file)
    assert text.startswith(f"{file.name} {says}")
    assert "weights_only" not in text


def test_a_file_without_a_state_dict(tmp_path):
    for content in ({}, [1, 2], {"epoch": 3}, torch.ones(3), {"state_dict": {}}):
        torch.save(content, tmp_path / "x.pth")
        assert "x.pth holds no state dict" in message(small("drn_d_22"), tmp_path / "x.pth")


def test_others_safetensors_have_no_description(tmp_path):
    source, file = small("drn_d_22"), tmp_path / "other.safetensors"
    save_file(released_state_dict(source), file, {"format": "pt"})
    assert same(load_weights(small("drn_d_22", seed=1), file), source)
    pytest.raises(ValueError, load_trained, file).match("does not say which network it holds")


def test_the_hash_is_checked_before_anything_is_read(tmp_path):
    source, file = small("drn_d_22"), tmp_path / "d.pth"
    torch.save(released_state_dict(source), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for expected in (digest, digest[:8], digest.upper()):
        assert same(load_weights(small("drn_d_22", seed=1), file, sha256=expected), source)
    file.write_bytes(b"not weights at all")
    assert "has SHA-256" in message(small("drn_d_22"), file, sha256=digest)
    for nonsense in ("", "abc", "z" * 64, digest + "0"):
        assert "8 to 64 hexadecimal digits" in message(small("drn_d_22"), file, sha256=nonsense)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A local server in the place of the authors', with a folder of files, and an empty cache."""
    folder = tmp_path / "host"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *arguments: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(files, "RELEASED_HOST", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("DRN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DRN_OFFLINE", raising=False)
    yield folder
    server.shutdown()
    server.server_close()


def test_released_names_are_downloaded_once_and_checked(host, monkeypatch):
    source = small("drn_d_22")
    torch.save(released_state_dict(source), host / "any.pth")
    digits = hashlib.sha256((host / "any.pth").read_bytes()).hexdigest()[:8]
    monkeypatch.setitem(files.RELEASED, "drn_d_22", digits)
    (host / "any.pth").rename(host / f"drn_d_22-{digits}.pth")
    assert same(load_weights(small("drn_d_22", seed=1), "drn_d_22"), source)
    (host / f"drn_d_22-{digits}.pth").unlink()
    assert same(load_weights(small("drn_d_22", seed=1), "drn_d_22"), source)
    cached = paths.cache_dir() / "weights" / f"drn_d_22-{digits}.pth"
    assert same(load_weights(small("drn_d_22", seed=1), cached), source)


def test_a_wrong_file_under_a_released_name_is_not_kept(host):
    (host / "drn_c_26-ddedf421.pth").write_bytes(b"another file")
    with pytest.raises(FileNotFoundError, match="of drn_c_26 cannot be had.*put a copy at.*ddedf421.*give its path"):
        load_weights(small("drn_c_26"), "drn_c_26")
    assert not [file for file in paths.cache_dir().rglob("*") if file.suffix in (".pth", ".part")]
    with pytest.raises(ValueError, match="drn_c_26-ddedf421.pth has SHA-256"):
        load_weights(small("drn_c_26"), host / "drn_c_26-ddedf421.pth")


def test_a_host_that_does_not_have_the_file_and_a_machine_offline(host, monkeypatch):
    with pytest.raises(FileNotFoundError, match="weights of drn_c_58 cannot be had.*begins with 0a53a92c") as caught:
        load_weights(small("drn_c_58"), "drn_c_58")
    assert "status 404" in str(caught.value.__cause__) and "status 404" not in str(caught.value)
    monkeypatch.setenv("DRN_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="DRN_OFFLINE=1 forbids its download"):
        load_weights(small("drn_c_58"), "drn_c_58")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("drn_d_24", r"no weights were published for drn_d_24 \(train it\); there are .* drn_c_26, .*drn_d_105"),
        ("drn_b_26", "no weights were published for drn_b_26"),
        ("drn_a_50", "no weights were published for drn_a_50"),
        ("resnet_50", "torchvision has some: pass its state dict"),
        ("nowhere/x.pth", "there is no file nowhere/x.pth: correct the path"),
    ],
)
def test_names_without_weights(name, says):
    pytest.raises(FileNotFoundError, load_weights, small("drn_d_22"), name).match(says)


def test_shipped_names(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "checkpoints_dir", lambda: tmp_path)
    model = small("drn_d_22")
    file = save_weights(model, tmp_path / "study" / "drn_d_22-s0.safetensors", CLASSES)
    assert files.list_trained() == ["study/drn_d_22-s0"]
    assert same(load_trained("study/drn_d_22-s0"), load_trained(file))
    assert same(load_weights(small("drn_d_22", seed=1), "study/drn_d_22-s0"), load_trained(file))
    pytest.raises(FileNotFoundError, load_trained, "study/x.safetensors").match("there is no file study/x.safetensors")
    with pytest.raises(
        FileNotFoundError, match="there is no trained network 'study/x'; choose one of study/drn_d_22-s0"
    ):
        load_trained("study/x")


def test_what_ships_loads():
    """Every committed file: its network, its classes, finite logits."""
    for name in files.list_trained():
        model = load_trained(name)
        with torch.inference_mode():
            logits = model(torch.randn(1, 3, 64, 64))
        assert logits.isfinite().all() and logits.shape[1] == len(model.classes)
