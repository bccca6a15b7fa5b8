"""A network that was accelerated is the same network: results, gradients, statistics, state, copies."""

from __future__ import annotations

import copy
import io

import pytest
import torch
import torchvision
from torch import nn

from drn_lib import create_model
from drn_lib.fast import accelerate, engine_of, identity, networks, restore
from drn_lib.fast.choices import METHODS, Case, Row, choose, distance, methods_of, table
from drn_lib.fast.layers import Convolution, Settings
from tests.library.fast.test_operations import a_compiler_for_avx2

ENGINES = ["kernel", "plain"]


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    """Each engine in turn; the kernel where there is a compiler."""
    if request.param == "plain":
        monkeypatch.setenv("CXX", "false")
        from drn_lib.fast import build

        build.load_library.cache_clear()
        yield "plain"
        monkeypatch.undo()
        build.load_library.cache_clear()
    elif not a_compiler_for_avx2():
        pytest.skip("no compiler for the kernel")
    else:
        yield "kernel"


@pytest.fixture(params=["winograd", "table"])
def method(request, monkeypatch):
    """Winograd's filtering wherever it can be, as small test networks would not choose it; and the table's choice."""
    if request.param == "winograd":
        monkeypatch.setattr(Settings, "method", lambda self, case: methods_of(case)[0])


def network(name="drn_c_26", seed=0):
    torch.manual_seed(seed)
    model = create_model(name, 10, 0.125)
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.1)
        nn.init.normal_(norm.running_mean, 0, 0.1)
        nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return model


def apart(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("name", ["drn_c_26", "drn_a_50", "drn_d_22", "resnet_18"])
def test_scores_are_the_same(name, fold, engine, method, capsys):
    model, x = network(name).eval(), torch.randn(2, 3, 61, 45)
    with torch.no_grad():
        expected = model.score_map(x)
        state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        assert accelerate(model, fold=fold) is model
        assert engine_of(model) == engine and ("the C++ kernel" in capsys.readouterr().out) is (engine == "kernel")
        for _ in range(2):  # prepared weights are used again
            assert apart(model.score_map(x), expected) < 1e-5
        assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())
        assert torch.equal(restore(model).score_map(x), expected) and engine_of(model) is None


def test_the_kernel_can_be_left_out(capsys, monkeypatch):
    monkeypatch.setattr(networks, "load_library", lambda: pytest.fail("it compiles"))
    model, x = network().eval(), torch.randn(1, 3, 61, 45)
    with torch.no_grad():
        expected = model.score_map(x)
        assert engine_of(accelerate(model, kernel=False)) == "plain"
        assert capsys.readouterr().out.endswith("convolutions can be computed by PyTorch\n")
        assert apart(model.score_map(x), expected) < 1e-5 and identity(model)["engine"] == "plain"


def test_training_is_the_same(engine, method):
    """One flipped ReLU moves a tensor by 1e-2, in torch's float32 too; a wrong gradient is wrong for every input."""
    wrong = []
    for seed in range(3):
        x = torch.randn(3, 3, 40, 56, generator=torch.Generator().manual_seed(seed))
        model = network().train()
        exact = copy.deepcopy(model).double()
        accelerate(model, quiet=True)
        scores, expected = model(x), exact(x.double())
        assert apart(scores.double(), expected) < 1e-4
        scores.logsumexp(1).sum().backward()
        expected.logsumexp(1).sum().backward()
        found = [apart(p.grad.double(), q.grad) for p, q in zip(model.parameters(), exact.parameters())]
        wrong.append(sorted(found)[len(found) // 2])
        for buffer, wanted in zip(model.buffers(), exact.buffers()):
            assert apart(buffer.double(), wanted.double()) < 1e-4
    assert min(wrong) < 1e-3, wrong


@pytest.mark.parametrize("fold", [False, True])
def test_inference_mode_is_taken_too(fold, engine, method):
    model, x = network().eval(), torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        expected = model(x)
        assert all(apart(accelerate(model, fold=fold, quiet=True)(x), expected) < 1e-5 for _ in range(2))
    with torch.no_grad():
        assert apart(model(x), expected) < 1e-5
    with torch.inference_mode():
        born = accelerate(network().eval(), fold=fold, quiet=True)  # its weights have no count of writes
        born(x)
        born.classifier.bias.add_(1)
        born.levels["5"][0].convs[1].conv.weight[3, 1].mul_(-2)
        assert apart(born(x), restore(copy.deepcopy(born))(x)) < 1e-5


@pytest.mark.parametrize("fold", [False, True])
def test_weights_that_were_written_to_are_prepared_again(fold, engine, method):
    model, x = accelerate(network().eval(), fold=fold, quiet=True), torch.randn(1, 3, 32, 32)
    other = network(seed=1).eval()
    with torch.no_grad():
        model(x)
        model.load_state_dict(other.state_dict())
        assert apart(model(x), other(x)) < 1e-5
        for written in (model, other):
            written.levels["5"][0].convs[1].conv.weight.data[3] *= -2  # not counted by torch
            written.levels["6"][0].convs[0].norm.running_var.mul_(3)
        assert apart(model(x), other(x)) < 1e-5
        model.levels["5"][0].convs[0].conv.weight = other.levels["5"][0].convs[0].conv.weight = nn.Parameter(
            torch.randn_like(other.levels["5"][0].convs[0].conv.weight)
        )
        assert apart(model(x), other(x)) < 1e-5


def test_copies_and_files_hold_no_prepared_weights(engine):
    model, x = accelerate(network().eval(), fold=True, quiet=True), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = model(x)
        again = copy.deepcopy(model)
        assert torch.equal(again(x), expected)
        assert engine_of(again) == engine
        buffer = io.BytesIO()
        torch.save(model, buffer)
        assert buffer.tell() < 1.5 * sum(4 * tensor.numel() for tensor in model.state_dict().values()) + 300_000


def test_any_network_is_taken(engine, method):
    model, x = torchvision.models.resnet18(num_classes=10).eval(), torch.randn(1, 3, 64, 64)
    odd = nn.Sequential(
        nn.Conv2d(3, 8, (3, 1)),
        nn.Conv2d(8, 8, 3, padding="same", bias=True),
        nn.Conv2d(8, 8, 3, groups=2, padding=1),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(8, 8, 3, padding=2),
        nn.ConvTranspose2d(8, 4, 3),
    )
    for net in (model, odd):
        expected = net(x)
        accelerate(net, quiet=True)
        assert apart(net(x), expected) < 1e-5
        net(x).sum().backward()


@pytest.mark.parametrize("place", ["levels.5.0.convs.1.norm", "stem.norm", "relu"])
def test_a_hook_sees_what_it_saw(engine, place):
    model, x, seen = network().eval(), torch.randn(1, 3, 32, 32), []
    model.get_submodule(place).register_forward_hook(lambda module, inputs, output: seen.append(output.clone()))
    with torch.no_grad():
        model(x)
        accelerate(model, fold=True, quiet=True)(x)
    assert len(seen) == 2 and apart(seen[1], seen[0]) < 1e-5 and (seen[1] < 0).any() == (place != "relu")


def test_what_an_engine_does_not_compute_is_pytorchs(engine):
    model, x = network().eval(), torch.randn(1, 3, 32, 32)
    accelerate(model, fold=True, quiet=True)
    reference = network().eval()
    with torch.no_grad():
        assert model(x[:0]).shape == (0, 10)
        with torch.autocast("cpu", torch.bfloat16):
            assert model(x).dtype == torch.bfloat16
        assert torch.equal(model.double()(x.double()), reference.double()(x.double()))
        traced = torch.jit.trace(model.float(), x)
    assert apart(traced(x), reference.float()(x)) < 1e-5


def test_half_precision_is_left_alone(capsys):
    model = accelerate(network().bfloat16())
    assert engine_of(model) is None and "not in float32" in capsys.readouterr().out


def test_a_network_on_another_device_is_left_alone(capsys):
    model = accelerate(network().to("meta"))
    assert engine_of(model) is None and "meta" in capsys.readouterr().out


def test_nan_stays_nan(engine, method):
    model = accelerate(network().eval(), fold=True, quiet=True)
    x = torch.zeros(1, 3, 32, 32)
    x[0, 0, 3, 3] = float("nan")
    with torch.no_grad():
        assert model.score_map(x).isnan().any()


def test_tuning_measures_each_convolution_of_the_batch(engine):
    model = accelerate(network("drn_a_18"), tune=(1, 32), quiet=True)
    tuned = model.stem.conv.fast.tuned
    assert all(case.images == 1 and not case.training and found in METHODS for case, found in tuned.items())
    assert {case.side for case in tuned} >= {32, 8, 4} and model.training
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert apart(model.eval()(x), restore(copy.deepcopy(model))(x)) < 1e-5


@pytest.mark.parametrize("batch", [3, (1,), (0, 32), (1, 2.5), "ab", (1, 32, 32)])
def test_a_batch_that_is_none_is_refused(batch):
    with pytest.raises(ValueError, match="tune"):
        accelerate(network("drn_a_18"), tune=batch)


def test_images_that_the_network_does_not_take_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="does not take 2 images of 1 px"):
        accelerate(model := nn.Sequential(nn.Conv2d(3, 8, 3)), tune=(2, 1), quiet=True)
    assert engine_of(model) is None


def test_a_run_is_known_by_engine_and_table(engine):
    model = network("drn_a_18")
    assert identity(model) == {}
    known = identity(accelerate(model, quiet=True))
    assert set(known) == {"engine", "choices"} and (known["engine"] == "plain") is (engine == "plain")


def test_accelerating_twice_is_accelerating_once(engine):
    model = accelerate(accelerate(network("drn_a_18"), quiet=True), fold=True, quiet=True)
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert all(type(module) is Convolution and module.fast.fold for module in convolutions)
    assert all(type(module) is nn.Conv2d and "fast" not in vars(module) for module in convolutions if restore(model))


def test_the_table_decides_by_the_nearest_row():
    case = Case("kernel", False, True, 3, 1, 4, 512, 512, 28, 1)
    assert choose(case) == "winograd" and choose(case._replace(inputs=500, side=30)) == "winograd"
    assert choose(case._replace(engine="plain", inputs=16, outputs=16)) == "torch"
    assert distance(case, case) == 0 and distance(case, case._replace(side=56, dilation=2)) == 2


def test_every_row_has_the_methods_that_its_case_allows():
    assert len(table()) > 100
    for row in table():
        assert isinstance(row, Row) and list(row.times) == methods_of(row.case) and min(row.times.values()) > 0


@pytest.mark.parametrize("channels", [1, 4])
def test_maps_of_other_channels_are_refused_as_pytorch_refuses_them(channels, engine, method):
    x = torch.rand(32, channels, 64, 64)
    for model in (accelerate(network(), quiet=True), accelerate(network(), quiet=True).eval()):
        with torch.set_grad_enabled(model.training), pytest.raises(RuntimeError, match="channels"):
            model(x)


def test_a_kernel_larger_than_the_map_is_refused_as_pytorch_refuses_it(engine):
    layer = nn.Sequential(nn.Conv2d(8, 8, 7))
    with torch.no_grad(), pytest.raises(RuntimeError, match="[Kk]ernel size can't be greater"):
        accelerate(layer, quiet=True)(torch.rand(32, 8, 6, 6))


def test_one_value_a_channel_has_no_variance(engine):
    model = accelerate(network("resnet_18"), quiet=True).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        model(torch.randn(1, 3, 32, 32))
    statistics = [norm.running_var for norm in model.modules() if isinstance(norm, nn.BatchNorm2d)]
    assert all(variance.isfinite().all() for variance in statistics)
