"""An SVG picture that bears its own words: its title is the text alternative, its description the caption."""

from __future__ import annotations

from html import escape

from book.figures.style import INK

WIDTH = 720
TEXT = f'fill="{INK}"'
_FONT = 'font-family="sans-serif" font-size="13"'


def picture(height: float, parts: list[str], alt: str, caption: str) -> str:
    """A picture `WIDTH` wide, with its words."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" {_FONT}>'
    words = [f"<title>{escape(alt, quote=False)}</title>", f"<desc>{escape(caption, quote=False)}</desc>"]
    ground = f'<rect width="{WIDTH}" height="{height:g}" fill="#fff"/>'
    return "\n".join([head, *words, ground, *parts, "</svg>", ""])
