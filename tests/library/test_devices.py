"""Which device and which numbers are computed with, and what several processes add up: without a GPU or processes."""

import numpy as np
import pytest
import torch

from drn_lib import distributed
from drn_lib.distributed import Group
from drn_lib.segmentation import scores
from drn_lib.training import loop

CPU, GPU = torch.device("cpu"), torch.device("cuda", 1)


@pytest.fixture
def two_gpus(monkeypatch):
    for name, value in {"is_available": True, "device_count": 2}.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)


class Doubling(Group):
    """The first of two processes that hold the same."""

    def sum(self, value):
        return value * 2


@pytest.mark.parametrize("named", ["cpu", "cuda", "cuda:0", "cuda:1"])
def test_a_device_that_is_there_is_taken(two_gpus, named):
    assert distributed.device_of(named) == named and distributed.device_of(None) == "cuda"


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("cuda:2", "device 'cuda:2': torch sees 2 GPUs here, numbered from 0"),
        ("mps", "device 'mps': the book's code runs on cpu or cuda"),
        ("meta", "runs on cpu or cuda"),
        ("gpu", "device 'gpu': the book's code runs on cpu or cuda"),
    ],
)
def test_another_device_is_one_sentence(two_gpus, named, says):
    with pytest.raises(ValueError, match=f"{says}$"):
        distributed.device_of(named)


@pytest.mark.parametrize(("device", "backend", "placed"), [("cpu", "gloo", CPU), ("cuda", "nccl", GPU)])
def test_a_process_joins_its_group_once_on_its_own_gpu(monkeypatch, device, backend, placed):
    begun, chosen = [], []
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: bool(begun))
    monkeypatch.setattr(torch.distributed, "init_process_group", begun.append)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 5)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", begun.clear)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    for name, value in {"WORLD_SIZE": "8", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert distributed.join(device) == distributed.join(device) == Group(5, 8, placed)
    assert begun == [backend] and chosen == ([GPU] * 2 if device == "cuda" else [])
    monkeypatch.delenv("LOCAL_RANK")
    assert distributed.join("cuda").device == torch.device("cuda", 0)
    distributed.leave()
    assert begun == []


def test_what_a_group_adds_up(monkeypatch):
    added, shared = [], []
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda total: added.append(total.mul_(3)))
    monkeypatch.setattr(torch.distributed, "broadcast", lambda buffer, source: shared.append((buffer, source)))
    alone, group = Group(0, 1, CPU), Group(1, 3, CPU)
    value, norm = torch.tensor(2.0), torch.nn.BatchNorm2d(2)
    assert alone.sum(value) is value and alone.mean(value) == 2.0 and added == []
    assert group.sum(value) == 6.0 and group.mean(value) == 2.0 and value == 2.0  # the process's own stays
    alone.share_buffers(norm)
    assert shared == []
    group.share_buffers(norm)
    assert [id(buffer) for buffer, _ in shared] == [id(buffer) for buffer in norm.buffers()]
    assert {source for _, source in shared} == {0}
    assert alone.leads and not group.leads
    assert [list(Group(rank, 3, CPU).places(4)) for rank in range(3)] == [[0, 3], [1], [2]]
    for rank in range(3):
        with pytest.raises(ValueError, match="2 images cannot be shared by 3 processes: use fewer"):
            Group(rank, 3, CPU).places(2)


def test_counts_of_all_processes_are_sums_and_means():
    rows = {
        "confusion": np.array([[[3, 1], [0, 2]], [[1, 0], [0, 1]], [[0, 0], [0, 5]]]),
        "specks": np.array([1, 2, 6]),
    }
    whole = scores._of_all(rows, Doubling(0, 2, CPU))
    assert whole["confusion"].tolist() == [[[8, 2], [0, 16]]] and whole["specks"].tolist() == [3.0]


@pytest.mark.parametrize(("has_it", "kind"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_computes_in_bfloat16_where_it_has_it(monkeypatch, has_it, kind):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or has_it)
    assert loop.half_precision(GPU) is kind and loop.half_precision(CPU) is None


def test_a_loss_that_is_not_finite_stops_the_run():
    loop.check_finite(1e30, 3, 0.1)
    for loss in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(ValueError, match=f"the loss of step 3 is {loss}, at a learning rate of 0.1"):
            loop.check_finite(loss, 3, 0.1)
