"""A Sphinx extension: puts three networks into the rendered book, on its live page, and leads to them from chapter 00.

`book/live.md` holds a comment, `<!-- live:networks -->`, in whose place the page gets a stored picture and what the
scripts in `_static/live/` have to know; they offer to run the networks, which `book.live.files` adds to the built site.
A chapter says in plain Markdown that there is such a page, and ends the paragraph with `<!-- live:card -->`: in the
rendered page the paragraph gives way to a card. Pages with neither load none of it.
"""

from __future__ import annotations

import json
import re
from html import escape

from book.extensions.placing import load_where, replace_marked
from book.live import files

MARKER = re.compile(r"<!-- live:(networks|card) -->")
FOLDER = files.SCRIPTS
# The page's own files that come after the click, beside those of `Live.files` and the samples; the last is shared with
# the explorer of the threshold.
ON_CLICK = tuple(f"{name}.mjs" for name in "page view pictures answer grid link worker ../explorers/boxes".split())
CARD = (
    "<strong>Three networks of this book run in your browser.</strong> Give them a picture of your own, or the camera, "
    "and ask where they see what; nothing leaves your machine."
)


def figure(live: files.Live, prefix: str) -> str:
    """The HTML of the live figure before any script runs; `prefix` leads to the site's root."""
    pictures = json.loads((FOLDER / "pictures.json").read_text(encoding="utf-8"))
    stored, samples = pictures["stored"], pictures["samples"]
    later = [(FOLDER / name).stat().st_size for name in (*ON_CLICK, *(sample["file"] for sample in samples))]
    about = {
        "networks": live.networks,
        "samples": samples,
        "heavy": sum(len(content) for name, content in live.files.items() if name != "ort.mjs"),
        "bytes": sum(later) + sum(map(len, live.files.values())),
    }
    why = (
        f"This copy of the book was built without the networks: {live.missing}."
        if live.missing
        else "To run the networks here the page needs JavaScript and a web server; opened as a file it has this alone."
    )
    script = json.dumps(about, ensure_ascii=False).replace("</", "<\\/")
    return (
        f'<figure class="explorer live" id="live" data-live=""><script type="application/json">{script}</script>'
        f'<img src="{prefix}_static/live/{stored["file"]}" alt="{escape(stored["alt"])}" '
        f'width="{stored["width"]}" height="{stored["height"]}">'
        f"<figcaption>{escape(stored['question'])} {escape(why)} {escape(samples[0]['credit'])}</figcaption></figure>"
    )


def card(prefix: str) -> str:
    """The HTML of the card that leads to the live page."""
    stored = json.loads((FOLDER / "pictures.json").read_text(encoding="utf-8"))["stored"]
    return (
        f'<a class="live-card" href="{prefix}book/live.html"><img src="{prefix}_static/live/{stored["file"]}" '
        f'alt="{escape(stored["alt"])}" width="{stored["width"]}" height="{stored["height"]}" '
        f'loading="lazy"><span>{CARD}</span></a>'
    )


def gather(app) -> None:
    """What is shipped, made once for the whole build."""
    app.live = files.collect() if app.builder.format == "html" else files.Live()
    if app.live.missing:
        print(f"The live page shows stored pictures: {app.live.missing}.")


def ship(app, error: Exception | None) -> None:
    """Add the networks and their runtime to the built site."""
    if error is None and app.builder.format == "html":
        folder = app.outdir / "_static" / "live"
        for name, content in app.live.files.items():
            (folder / name).write_bytes(content)


def setup(app) -> dict:
    app.connect("builder-inited", gather)
    replace_marked(app, MARKER, lambda name, prefix: card(prefix) if name == "card" else figure(app.live, prefix))
    # live.css comes after explorers.css, since it builds on it.
    load_where(app, "data-live", "explorers/explorers.css", "live/live.css", "live/start.mjs")
    load_where(app, 'class="live-card"', "live/live.css")
    app.connect("build-finished", ship)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
