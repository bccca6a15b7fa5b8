"""The command line, `python -m drn_lib COMMAND`: one file a command."""

from drn_lib.lazy import attach

_HOMES = {"commands": "main"}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
