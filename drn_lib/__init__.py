"""Dilated Residual Networks (Yu, Koltun, Funkhouser, CVPR 2017): the library behind the book.

    >>> import drn_lib
    >>> model = drn_lib.create_model("drn_c_26")

Public names and modules are imported when they are first asked for, so that `import drn_lib` costs nothing and the
parts that need no torch (`architecture`, `geometry`, `results`, `paths`) work without it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

__version__ = "0.1.0"

_HOME = {
    "list_models": "architecture",
    "create_model": "network",
    "load_weights": "checkpoints",
    "load_trained": "checkpoints",
    "open_dataset": "datasets",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    """Import a public function, or a module of the package, at its first use (PEP 562)."""
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if not name.startswith("_") and find_spec(f"{__name__}.{name}"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
