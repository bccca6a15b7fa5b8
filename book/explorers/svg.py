"""An SVG picture that bears its own words: its title is the text alternative, its description the caption."""

from collections.abc import Sequence
from html import escape

WIDTH = 720
INK = "#1f2937"  # a still has a white ground of its own


def text(x: float, y: float, words: str, end: bool = False) -> str:
    """Words that start at a place, or end there."""
    anchor = 'text-anchor="end" ' if end else ""
    return f'<text x="{x:g}" y="{y:g}" {anchor}fill="{INK}">{words}</text>'


def box(edges: Sequence[float], style: str) -> str:
    """A rectangle by its edges: left, top, right, bottom."""
    left, top, right, bottom = edges
    return f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" {style}/>'


def picture(height: float, parts: list[str], alt: str, caption: str) -> str:
    """A picture `WIDTH` wide, with its words."""
    font = 'font-family="sans-serif" font-size="13"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" {font}>'
    words = [f"<title>{escape(alt, quote=False)}</title>", f"<desc>{escape(caption, quote=False)}</desc>"]
    background = f'<rect width="{WIDTH}" height="{height:g}" fill="#fff"/>'
    return "\n".join([head, *words, background, *parts, "</svg>", ""])
