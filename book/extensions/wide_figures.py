"""A Sphinx extension: on a phone a wide figure keeps its letters readable and scrolls sideways in its own box.

Shrunk to the 350 pixels of a phone, a figure that is 730 pixels wide has letters five pixels high. So such a figure of
a chapter gets a box of its own and its width in pixels, from which the book's style takes the least width that it may
shrink to. All figures get their size, which keeps the page from jumping while they load.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

FIGURE = re.compile(
    r'(?<=<div class="cell_output docutils container">\n)'
    r'<img (?P<rest>[^>]*?src="[^"]*_images/(?P<name>[^"/]+\.png)"[^>]*?)\s*/?>'
)
"""A picture that a cell of a chapter drew."""
FITS = 520
"""A figure up to this width, in pixels, shrinks to a phone by less than a third and needs no box."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG file in pixels, from its header.

    Raises:
        ValueError: the file is no PNG.
    """
    with path.open("rb") as file:
        head = file.read(24)
    if len(head) < 24 or not head.startswith(SIGNATURE):
        raise ValueError(f"{path.name} is no PNG file")
    return struct.unpack(">II", head[16:24])


def boxed(body: str, files: dict[str, Path]) -> str:
    """A page's HTML with a box around each figure that a cell drew, and with the figure's size.

    Args:
        body: of a page.
        files: where the PNG of a name in `_images` lies; pictures of other names stay as they are.
    """

    def box(found: re.Match) -> str:
        if found["name"] not in files:
            return found.group()
        width, height = png_size(files[found["name"]])
        image = f'<img {found["rest"]} width="{width}" height="{height}"'
        if width <= FITS:
            return f"{image}>"
        # The theme lets the keyboard scroll what has the class "output".
        return f'<div class="output wide-figure">{image} style="--natural: {width}px"></div>'

    return FIGURE.sub(box, body)


def _box_figures(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    if app.builder.name == "html" and "body" in context:
        files = {name: Path(app.srcdir) / path for path, name in app.builder.images.items()}
        context["body"] = boxed(context["body"], files)


def setup(app) -> dict:
    app.connect("html-page-context", _box_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
