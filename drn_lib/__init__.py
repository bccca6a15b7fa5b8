"""Dilated Residual Networks (Yu, Koltun, Funkhouser, CVPR 2017): the library behind the book.

    >>> import drn_lib
    >>> model = drn_lib.create_model("drn_c_26")

Public names and modules are imported when they are first asked for, so that `import drn_lib` costs nothing and the
parts that need no torch (`architecture`, `geometry`, `costs`, `paths`) work without it.
"""

from __future__ import annotations

from drn_lib.lazy import attach

__version__ = "0.2.0"

_HOMES = {
    "list_models": "architecture",
    "create_model": "network",
    "load_weights": "checkpoints",
    "load_trained": "checkpoints",
    "open_dataset": "datasets",
}

__all__ = ["__version__", *_HOMES]
__getattr__, __dir__ = attach(__name__, _HOMES)
