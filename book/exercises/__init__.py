"""The exercises of the chapters: `check` shows a task and marks an answer."""

from drn_lib.lazy import attach

_HOMES = {"exercise": "all_exercises check"}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
