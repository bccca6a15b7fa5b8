"""The book's own Sphinx extensions, registered together."""

from __future__ import annotations


def setup(app) -> dict:
    """Called by Sphinx: register every extension of this package."""
    from book.extensions import api, chapter_map, exercises, explorers, live, nobreak, policy, running, sharing

    for extension in (api, chapter_map, exercises, explorers, live, nobreak, policy, running, sharing):
        extension.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
