"""What is measured, in which order, and what stands beside it: the document that bench.json holds."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass

import torch

from book.studies import provenance
from book.studies.bench import measure, memory
from book.studies.bench.contenders import BASELINE, CONTENDERS, RUNTIMES
from book.studies.bench.measure import Setting
from book.studies.bench.timing import Patience
from drn_lib.fast import Unavailable, accelerate, identity
from drn_lib.fast.build import compiler_version
from drn_lib.network import create_model

NETWORKS = ("drn_c_26", "drn_d_22", "drn_a_18", "drn_d_54")
PHOTOGRAPH, STREET = (224, 224), (512, 1024)
NOT_COMPILED = "not tried here: compiling takes minutes"


@dataclass(frozen=True)
class Scope:
    """What one call measures.

    forward    comparisons of score maps, all contenders
    growing    comparisons of the released code with the kernel, over the sides of images
    training   networks whose training step is measured
    memory     where peak memory is measured
    compiled   of `forward`, where torch.compile takes part: it compiles for up to some minutes for each network, size
               and number of threads
    patience   of a comparison of small images; one of large ones takes `long`
    """

    forward: list[Setting]
    growing: list[Setting]
    training: tuple[str, ...]
    memory: list[Setting]
    compiled: list[Setting]
    patience: Patience
    long: Patience

    def patience_for(self, setting: Setting) -> Patience:
        """How long a comparison may take."""
        return self.patience if setting.height <= PHOTOGRAPH[0] else self.long


FULL = Scope(
    forward=[Setting(name, *size, n) for size in (PHOTOGRAPH, STREET) for name in NETWORKS for n in (1, 2)],
    growing=[Setting("drn_c_26", side, side) for side in (256, 512, 1024, 2048)],
    training=("drn_c_26", "drn_a_18", "resnet_18"),
    memory=[Setting("drn_c_26", *size) for size in (PHOTOGRAPH, STREET)],
    compiled=[Setting("drn_c_26", *PHOTOGRAPH, n) for n in (1, 2)],
    patience=Patience(15, 25.0, 5),
    long=Patience(5, 30.0, 2),
)
QUICK = Scope(
    forward=[Setting("drn_c_26", *PHOTOGRAPH)],
    growing=[Setting("drn_c_26", side, side) for side in (128, 256)],
    training=("drn_a_18",),
    memory=[],
    compiled=[],
    patience=Patience(5, 10.0, 3),
    long=Patience(3, 5.0),
)


def measure_all(scope: Scope, say: Callable[[str], None]) -> dict:
    """Carry out all comparisons of a scope, with a line before each; the document of bench.json."""
    found = about()
    found["complete"] = scope is FULL
    found["forward"] = []
    for setting in scope.forward:
        say(f"{setting.network}, {setting.height} x {setting.width} px, threads: {setting.threads}")
        found["forward"].append(_forward(setting, scope))
    found["scaling"] = []
    for setting in scope.growing:
        say(f"{setting.network}, {setting.height} x {setting.width} px, the released code and the kernel")
        names = [BASELINE, "kernel"]
        found["scaling"].append(measure.score_maps(setting, names, scope.patience_for(setting)))
    found["training"] = []
    for name in scope.training:
        say(f"{name}, training steps")
        found["training"].append(measure.training_steps(name, scope.patience))
    found["memory"] = []
    for setting in scope.memory:
        say(f"{setting.network}, {setting.height} x {setting.width} px, memory")
        found["memory"].append(memory.peaks(setting, list(CONTENDERS)))
    found["finished"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return found


def _forward(setting: Setting, scope: Scope) -> dict:
    names = [name for name in CONTENDERS if name != "compiled" or setting in scope.compiled]
    found = measure.score_maps(setting, names, scope.patience_for(setting))
    found["rows"] = {name: found["rows"].get(name, {"missing": NOT_COMPILED}) for name in CONTENDERS}
    return found


def about() -> dict:
    """What stands beside the numbers: the processor, the versions, the kernel."""
    vectors = torch.backends.cpu.get_cpu_capability()
    packages = ("torch", *RUNTIMES)
    versions = {"python": platform.python_version(), **{name: _version(name) for name in packages}}
    versions["compiler"] = _compiler()
    return {
        "machine": {
            "processor": provenance.device_name("cpu"),
            "instructions": vectors,
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "priority": os.nice(0),
        },
        "versions": versions,
        "identity": identity(accelerate(create_model("resnet_18", 2, 0.25), quiet=True)),
        "commit": provenance.commit(),
        "baseline": BASELINE,
        "contenders": {name: one.label for name, one in CONTENDERS.items()},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _compiler() -> str | None:
    try:
        return compiler_version()
    except Unavailable:
        return None
