"""The command line, `python -m drn_lib COMMAND`: one file a command."""

from drn_lib.lazy import attach

_HOMES = {
    "main": "commands",
}

__all__ = list(_HOMES)  # noqa: PLE0604
__getattr__, __dir__ = attach(__name__, _HOMES)
