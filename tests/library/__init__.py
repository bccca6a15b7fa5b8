import os
import subprocess
import sys

import torch

from tests import ROOT


def run(*command, **more):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DRN_PROGRESS": "0", **more}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)


def run_check(name, *arguments):
    """What the module tests.checks.`name` prints."""
    answer = run(sys.executable, "-m", f"tests.checks.{name}", *map(str, arguments))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def same_weights(left, right):
    return all(torch.equal(a, b) for a, b in zip(left.state_dict().values(), right.state_dict().values(), strict=True))
