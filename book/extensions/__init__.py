"""The book's own Sphinx extensions, registered together."""

from __future__ import annotations


def setup(app) -> dict:
    """Called by Sphinx: register every extension of this package."""
    from book.extensions import (
        api,
        chapter_map,
        exercises,
        explorers,
        live,
        nobreak,
        policy,
        running,
        sharing,
        wide_figures,
    )

    parts = (api, chapter_map, exercises, explorers, live, nobreak, policy, running, sharing, wide_figures)
    for extension in parts:
        extension.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
