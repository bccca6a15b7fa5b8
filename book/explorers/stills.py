"""Still pictures of two explorers, as SVG, for pages without JavaScript.

They are drawn for a place of `data.PLACES`, from what the JSON file of its kind holds."""

from __future__ import annotations

from itertools import product
from math import gcd

from book.explorers.networks import variants
from book.explorers.svg import WIDTH, box, picture, text
from book.figures.style import ACCENT, GREY, LIGHT
from drn_lib import geometry

IMAGE = 224  # px a side


def receptive(place: dict, made: dict) -> str:
    """Two networks side by side: the picture, the cells of the map, one cell, its field."""
    found = [(made["networks"][place[side]], _cell(place[side], place)) for side in ("left", "right")]
    boxes = [level.field_box(cell, cell) for _, (level, cell, *_) in found]
    margin = 8 + max(max(-left, right - IMAGE) for left, _, right, _ in boxes)
    view = IMAGE + 2 * margin
    scale = (WIDTH / 2 - 20) / view
    parts, words = [], []
    for index, ((label, color, *_), (level, cell, back, reached)) in enumerate(found):
        x = 10 + index * WIDTH / 2
        low, high = geometry.cell_edges(cell, level.jump, IMAGE, level.centre)
        lines = "".join(f"M0 {i * level.jump}H{IMAGE}M{i * level.jump} 0V{IMAGE}" for i in range(1, level.size[0]))
        dots = ""
        if back:
            at = [back.centre + i * back.jump for i in reached]
            rows = "".join(f"M{at[0]:g} {y:g}H{at[-1] + 0.1:g}" for y in at)
            gaps = f'stroke-dasharray="0.1 {at[1] - at[0] - 0.1:g}" stroke-linecap="round"'  # dots, evenly apart
            dots = f'<path d="{rows}" stroke="{ACCENT}" stroke-width="4" {gaps}/>'
        parts += [
            text(x, 19, f"{label}, level {place['level']}"),
            f'<g transform="translate({x:g} 30) scale({scale:.4f}) translate({margin} {margin})">',
            f'<rect width="{IMAGE}" height="{IMAGE}" fill="#f3f4f6" stroke="{GREY}" stroke-width="1.5"/>',
            f'<path d="{lines}" stroke="{LIGHT}" stroke-width="1"/>{dots}',
            box((low, low, high, high), f'fill="{ACCENT}"'),
            box(level.field_box(cell, cell), f'fill="none" stroke="{color}" stroke-width="4"'),
            "</g>",
        ]
        size, field = f"{level.size[0]} × {level.size[1]}", level.receptive_field
        words.append(f"{label}: {size} cells, jump {level.jump} px, field {field} px a side")
    dots = f" Dots: the cells of level {place['back']} that reach it." if place["back"] else ""
    caption = (
        f"A still of the explorer, which needs JavaScript. Grey: a picture of {IMAGE} px and the cells of the map of "
        f"level {place['level']}. Filled: one cell; frame: its receptive field, which leaves the picture."
        f"{dots} {'; '.join(words)}."
    )
    alt = f"Two squares with a frame around each, wider than the square. {'; '.join(words)}."
    return picture(view * scale + 40, parts, alt, caption)


def _cell(name: str, place: dict):
    """The level's map, the cell around pixel 128, the map that is read back to (or None), its cells that reach it."""
    table = geometry.table(variants()[name], IMAGE)
    level, back = table.levels[place["level"]], table.levels.get(place["back"])
    cell = 128 // level.jump
    if back is None:
        return level, cell, None, []
    start, stop = (
        max(i for i, row in enumerate(table.rows) if row.name.startswith(f"levels.{place[key]}.")) + 1
        for key in ("back", "level")
    )
    chain = [row.layer for row in table.rows[start:stop]]
    return level, cell, back, list(geometry.reach(chain, cell, back.size[0]))


def gridding(place: dict, made: dict) -> str:
    """One active cell after each layer, along one axis, and how many maps are still separate."""
    cells, begin = made["lattice"]["cells"], made["lattice"]["begin"]
    dilations = place["dilations"] if place["input"] == "cell" else [4, 4, 2, 1]
    base, joined, parts, words = max(dilations), max(dilations), [], []
    colors, step = made["sublattices"][base], 44
    for index, line in enumerate(_stages(cells, begin, dilations)):
        label = f"after d = {dilations[index - 1]}" if index else "input"
        joined = gcd(joined, dilations[index - 1]) if index else joined
        separate = f"{joined**2} separate maps" if joined > 1 else "one map"
        words.append(f"{label}: {separate}")
        y = 34 + index * step
        parts += [text(0, y + 12, label), text(WIDTH, y + 12, separate, end=True)]
        row = f'd="M100 {y + 8}h{17 * cells}" stroke-width="15" stroke-dasharray="15 2"'
        parts.append(f'<path {row} stroke="#eceef0"/>')
        squares: dict[str, str] = {}  # the filled ones, one path a color
        for cell in line.nonzero().flatten().tolist():
            fill = _mean_color(colors, base, joined, begin, cell)
            squares[fill] = squares.get(fill, "") + f"M{100 + cell * 17} {y}h15v16h-15z"
        parts += [f'<path d="{path}" fill="{fill}"/>' for fill, path in squares.items()]
    caption = (
        "A still of the explorer, which needs JavaScript. One active cell after smoothing layers of dilation "
        f"{', then '.join(map(str, dilations))}, along one axis; cells that have exchanged values share a color. "
        "Right: how many maps have exchanged no value, in two dimensions."
    )
    alt = f"Rows of {cells} squares, one after each layer, in which ever more are filled. {'; '.join(words)}."
    return picture(34 + (len(dilations) + 1) * step, parts, alt, caption)


def _mean_color(colors: list[str], base: int, joined: int, row: int, column: int) -> str:
    """The color of cells whose `base` x `base` sub-lattices have joined to `joined` x `joined`: their mean."""
    rows, columns = (range(at % joined, base, joined) for at in (row, column))
    members = [colors[i * base + j] for i, j in product(rows, columns)]
    channels = ([int(color[at : at + 2], 16) for color in members] for at in (1, 3, 5))
    return "#" + "".join(f"{round(sum(values) / len(values)):02x}" for values in channels)


def _stages(cells: int, begin: int, dilations: list[int]):
    """One active cell in a row, and what each layer [1, 2, 1] / 4 makes of it, padded by zeros."""
    import torch
    import torch.nn.functional as F

    line = torch.zeros(cells, dtype=torch.float64)
    line[begin] = 1
    yield line
    taps = torch.tensor([[[1.0, 2.0, 1.0]]], dtype=torch.float64) / 4
    for d in dilations:
        line = F.conv1d(line.view(1, 1, -1), taps, padding=d, dilation=d).flatten()
        yield line
