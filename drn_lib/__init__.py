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
    "architecture": "list_models",
    "network": "create_model",
    "checkpoints": "load_trained load_weights",
    "datasets": "open_dataset",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
