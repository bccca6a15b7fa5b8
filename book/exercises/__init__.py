"""The exercises of the chapters: `check` shows a task and marks an answer."""

from drn_lib.lazy import attach

_HOMES = {"check": "exercise", "all_exercises": "exercise"}

__all__ = list(_HOMES)  # noqa: PLE0604
__getattr__, __dir__ = attach(__name__, _HOMES)
