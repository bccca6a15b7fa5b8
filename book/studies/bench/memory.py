"""The memory that a contender takes at most: each in a process of its own, since none forgets its peak."""

from __future__ import annotations

import os
import subprocess
import sys

from book.studies.bench.measure import CLASSES, Setting
from book.studies.provenance import peak_memory_mb

NOTHING = "nothing"
"""A process that makes the network and the image, and computes nothing."""
MISSING = "missing: "


def peaks(setting: Setting, names: list[str]) -> dict:
    """An entry of bench.json: the peak memory (resident set) of each contender's process, in megabytes (10^6 bytes)."""
    found = {name: _measured(setting, name) for name in (NOTHING, *names)}
    size = {"network": setting.network, "height": setting.height, "width": setting.width, "threads": setting.threads}
    return {**size, "rows": found}


def _measured(setting: Setting, name: str) -> dict:
    size = [setting.network, str(setting.height), str(setting.width), name]
    command = [sys.executable, "-m", "book.studies.bench.memory", *size]
    environment = {**os.environ, "OMP_NUM_THREADS": str(setting.threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    answer = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
    if done.returncode or answer.startswith(MISSING):
        return {"missing": answer.removeprefix(MISSING) or f"its process ended with status {done.returncode}"}
    return {"peak_mb": float(answer)}


def _peak(setting: Setting, name: str) -> str:
    """What `_measured` reads: the peak of this process, or why there is none."""
    import torch

    from book.studies.bench.contenders import CONTENDERS, Missing, fill
    from drn_lib.network import create_model

    model, x = fill(create_model(setting.network, CLASSES)), torch.randn(1, 3, setting.height, setting.width)
    try:
        if name != NOTHING:
            with torch.no_grad():
                call = CONTENDERS[name].make(model, x)
            with torch.inference_mode():
                for _ in range(2):
                    call()
    except Missing as error:
        return f"{MISSING}{error}"
    return str(round(peak_memory_mb(), 1))


if __name__ == "__main__":
    print(_peak(Setting(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])), sys.argv[4]))
