"""Several processes, one training: who takes which images, and what happens when one of them ends.

`torchrun --nproc-per-node=8 -m drn_lib train ...` starts eight processes and tells each in its environment who it is.
All processes share the recipe's batch: each takes every eighth image of it, and the gradient is the whole batch's, even
if their parts differ by an image. So neither the number of steps nor the learning rate depends on the
number of processes. Batch normalization does: each normalizes by its own part, unless they are synchronized.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from drn_lib.checks import require_device

ENDED = ".a-process-ended"
"""A file that the first process to notice another's end makes in the run's folder, so that only one speaks."""


class ProcessEnded(RuntimeError):
    """Another process of this training ended. `silent` where another one has said so already."""

    silent = False


@dataclass(frozen=True)
class Group:
    """This process among those of a training: its number, how many there are, and its device."""

    rank: int
    world: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process is the one that prints and saves."""
        return self.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over the processes."""
        return self.sum(value) / self.world

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over the processes; `value` itself where there is one."""
        if self.world == 1:
            return value
        total = value.detach().clone()
        torch.distributed.all_reduce(total)
        return total

    def places(self, count: int) -> range:
        """Which of `count` images to score this process takes; ValueError, in all alike, where one gets none."""
        if count < self.world:
            raise ValueError(f"{count} images cannot be shared by {self.world} processes: use fewer")
        return range(self.rank, count, self.world)

    def share_buffers(self, model: nn.Module) -> None:
        """Give every process the first one's running statistics, which are the ones that are saved."""
        if self.world > 1:
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, 0)


def device_of(named: str | None) -> str:
    """A device by its name, cpu or cuda, if it is there; without a name the GPU where torch sees one."""
    if named is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    require_device(named)
    kind, index = torch.device(named).type, torch.device(named).index or 0
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {named!r}: torch sees no CUDA GPU here; leave the device out for the CPU")
    if kind == "cuda" and index >= torch.cuda.device_count():
        raise ValueError(f"device {named!r}: torch sees {torch.cuda.device_count()} GPUs here, numbered from 0")
    return named


def join(device: str | torch.device = "cpu") -> Group:
    """This process's place in the group that torchrun announces in the environment; a group of one without torchrun."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Group(0, 1, torch.device(device_of(str(device))))
    device = torch.device(device)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Group(torch.distributed.get_rank(), world, device)


def leave() -> None:
    """Leave the group, where there is one; a process that joined calls it before it ends."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def raise_on_all_ranks(group: Group) -> Iterator[None]:
    """For code that fails on all ranks alike: the leading process reports the error and the others end silently."""
    try:
        yield
    except (ValueError, OSError) as error:
        error.silent = not group.leads
        raise


@contextmanager
def abort_all_on_failure(group: Group, folder: Path | None, state_file: Path | None) -> Iterator[None]:
    """While a training runs: where one of its processes ends, all end, and one of them says so in one sentence.

    The others notice it by a collective operation that fails (`ProcessEnded`), or by the SIGTERM of torchrun.
    """
    if group.world == 1:
        yield
        return
    if folder is not None and group.leads:
        (folder / ENDED).unlink(missing_ok=True)
    marker = _FailureMarker(folder, state_file)
    with marker.on_sigterm():
        try:
            yield
        except RuntimeError as error:
            if not _is_lost_partner(error):
                raise
            raise marker.error() from error


class _FailureMarker:
    """The report that a process failed: made once, by the first process that notices, which leaves a file as mark."""

    def __init__(self, folder: Path | None, state_file: Path | None):
        self.folder, self.state_file = folder, state_file
        self.lock, self.is_raised = threading.Lock(), False

    def error(self) -> ProcessEnded:
        with self.lock:
            self.is_raised = True
        error = ProcessEnded(self.sentence())
        error.silent = not self.is_first()
        return error

    def sentence(self) -> str:
        state = "nothing was saved yet, and the same command starts again"
        if self.state_file is not None and self.state_file.exists():
            state = f"the state in {self.state_file} is whole, and the same command goes on from it"
        return f"another process of this training ended or was told to, so all end: {state}"

    def is_first(self) -> bool:
        try:
            if self.folder is not None:
                os.close(os.open(self.folder / ENDED, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        except OSError:  # a folder that is gone or full: better said twice than not at all
            pass
        return True

    @contextmanager
    def on_sigterm(self) -> Iterator[None]:
        """Speak and end at SIGTERM, even where the main thread hangs in a collective operation."""
        if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
            yield
            return
        listening, woken = socket.socketpair()
        woken.setblocking(False)
        before = signal.signal(signal.SIGTERM, lambda number, frame: None)  # the thread below answers it
        fd_before = signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(listening,), daemon=True).start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd_before)
            signal.signal(signal.SIGTERM, before)
            woken.close()

    def _listen(self, listening: socket.socket) -> None:
        with listening:
            while (number := listening.recv(1)) and number[0] != signal.SIGTERM:
                pass
        if not number:  # the other end is closed
            return
        with self.lock:
            if self.is_raised:  # the main thread has noticed by itself and is about to speak
                return
            if self.is_first():
                print(self.sentence(), file=sys.stderr, flush=True)
            os._exit(1)


def _is_lost_partner(error: RuntimeError) -> bool:
    signs = "gloo", "connection closed by peer", "connection reset by peer"  # beside NCCL's and the store's DistError
    return isinstance(error, torch.distributed.DistError) or any(sign in str(error).lower() for sign in signs)
