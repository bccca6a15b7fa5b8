"""A Sphinx extension: a network's name, "DRN-A-18", a size, "28 × 28", and a share, "35.2 %", stay in one line each.

Behind a hyphen or a space a browser may break a line. Name, size and share get an element of their own, which the
book's style keeps in one line; unlike with a hyphen or a space of another kind, they can still be searched for, copied
and pasted.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

TOGETHER = re.compile(r"\b(?:ResNet|DRN-[A-D]|DRN|A)-\w+|\b\d+ × \d+\b|\b\d[\d.,]* %")
APART = (nodes.FixedTextElement, nodes.literal, nodes.raw, nodes.math, nodes.math_block)
"""What breaks its lines by rules of its own."""


class KeepTogether(SphinxPostTransform):
    """Wraps each name, size and share in text into an element of the class `together`."""

    default_priority = 800
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for text in list(self.document.findall(nodes.Text)):
            _join_filled_share(text)
        for text in list(self.document.findall(nodes.Text)):
            if TOGETHER.search(text) and not _within(text, APART):
                text.parent.replace(text, _in_parts(str(text)))


def _join_filled_share(percent: nodes.Text) -> None:
    """Puts " %" after its number where the comment that ends a filled-in number stands between the two."""
    line = percent.parent
    place = next(place for place, node in enumerate(line.children) if node is percent)
    if place < 2 or not percent.startswith(" %") or not isinstance(line[place - 1], nodes.raw):
        return
    number = line[place - 2]
    if isinstance(number, nodes.Text) and number[-1:].isdigit():
        line[place - 2] = nodes.Text(f"{number} %")
        line[place] = nodes.Text(percent[2:])


def _within(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    while node := node.parent:
        if isinstance(node, kinds):
            return True
    return False


def _in_parts(text: str) -> list[nodes.Node]:
    """The text as nodes, what is kept together apart from what stands between them."""
    parts, end = [], 0
    for found in TOGETHER.finditer(text):
        parts += [nodes.Text(text[end : found.start()]), nodes.inline("", found.group(), classes=["together"])]
        end = found.end()
    parts.append(nodes.Text(text[end:]))
    return [part for part in parts if part.astext()]


def setup(app) -> dict:
    app.add_post_transform(KeepTogether)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
