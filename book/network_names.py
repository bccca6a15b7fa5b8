"""A Sphinx extension: a network's name, "DRN-A-18", stays in one line wherever it stands in a page.

A hyphen is a place where a browser may break a line. The name gets an element of its own, which the book's style keeps
in one line; unlike with a hyphen of another kind, it can still be searched for, copied and pasted.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

NAME = re.compile(r"\b(?:ResNet|DRN-[A-D]|DRN|A)-\w+")
APART = (nodes.FixedTextElement, nodes.literal, nodes.raw, nodes.math, nodes.math_block)
"""What breaks its lines by rules of its own."""


class KeepNamesTogether(SphinxPostTransform):
    """Wraps each name in text into an element of the class `network`."""

    default_priority = 800
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if NAME.search(text) and not _within(text, APART):
                text.parent.replace(text, _in_parts(str(text)))


def _within(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    while node := node.parent:
        if isinstance(node, kinds):
            return True
    return False


def _in_parts(text: str) -> list[nodes.Node]:
    """The text as nodes, its names apart from what stands between them."""
    parts, end = [], 0
    for found in NAME.finditer(text):
        parts += [nodes.Text(text[end : found.start()]), nodes.inline("", found.group(), classes=["network"])]
        end = found.end()
    parts.append(nodes.Text(text[end:]))
    return [part for part in parts if part.astext()]


def setup(app) -> dict:
    app.add_post_transform(KeepNamesTogether)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
