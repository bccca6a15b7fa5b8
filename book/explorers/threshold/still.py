"""The still picture of the explorer of the threshold: a map, the cells that qualify, their box, and the errors."""

from __future__ import annotations

import numpy as np

from book.explorers.svg import WIDTH, box, picture, text
from book.explorers.threshold import data
from book.figures.style import ACCENT, GREY, LIGHT

SIDE = 300  # of the map, px
GREYS = 5  # shades that a still tells apart


def threshold(place: dict, made: dict) -> str:
    """The map with its box on the left, IoU and errors over the threshold on the right."""
    import torch

    from drn_lib.localization.equations import tight_boxes
    from drn_lib.localization.scores import best_iou

    seen, index = made["pictures"][place["picture"]], place["threshold"]
    label, color = made["networks"][place["network"]]
    own, size = seen["maps"][place["network"]], seen["size"]
    cells, (first, step, count) = own["cells"], made["thresholds"]
    exceeded, wins = (torch.from_numpy(part).view(1, cells, cells) for part in data.decoded(own["scores"]))
    found = tight_boxes(exceeded.float(), wins, torch.arange(count).float(), size)  # (41, 1, 4)
    overlaps = best_iou(found, torch.tensor([seen["place"]]).float())[:, 0].tolist()
    taken = (wins & (exceeded > index))[0]
    setting = made["settings"][seen["setting"]]
    measured = {name: made["networks"][name] for name in setting["curves"]}
    at, marker = first + index * step, index / (count - 1)
    errors = {
        shade: (np.cumsum(setting["curves"][name]["error"]) / 10).tolist() for name, (_, shade) in measured.items()
    }
    low = 10 * (min((min(line) for line in errors.values()), default=0) // 10)
    limits = f"{first:g} to {first + step * (count - 1):g}".replace("-", "−")
    parts = [
        text(0, 19, f"{label}, {made['class']}, threshold at {at:g} deviations"),
        f'<g transform="translate(0 30) scale({SIDE / size:g})">',
        f'<rect width="{size}" height="{size}"/>',
        *_cells(exceeded[0].numpy(), taken.numpy(), size / cells),
        box([round(edge) for edge in found[index, 0].tolist()], f'fill="none" stroke="{ACCENT}" stroke-width="2"'),
        box(seen["place"], 'fill="none" stroke="#fff" stroke-width="1.2" stroke-dasharray="4 3"'),
        "</g>",
        *_plot(46, "overlap with the cup’s place (IoU)", (0, 1), {color: overlaps}, marker),
        *_plot(206, "GT-known error over test images, %", (low, 100), errors, marker),
        text(WIDTH, 326, f"threshold, {limits} deviations", end=True),
    ]
    names = " ".join(f'<tspan fill="{shade}">{name}</tspan>' for name, shade in measured.values())
    parts.append(f'<text x="{WIDTH}" y="346" text-anchor="end">{names or "not yet measured"}</text>')
    caption = (
        f"A still of the explorer, which needs JavaScript. Left: {label}’s map of {made['class']} on the canvas; "
        f"filled: the {int(taken.sum())} cells that count at {at:g} deviations above the mean logit; frame: their box; "
        f"dashed: the cup’s place. Right: their overlap, here {overlaps[index]:.2f}, and the error on "
        f"{setting['images']:,} test images, at all thresholds."
    )
    alt = (
        f"A map of {cells} by {cells} cells with a box around the filled ones, and two plots over the threshold, "
        "each with a line at the same place."
    )
    return picture(354, parts, alt, caption)


def _cells(exceeded: np.ndarray, taken: np.ndarray, side: float) -> list[str]:
    """The map's greys and the cells that count, a path for each shade; cells in a row are one stroke."""
    top = exceeded.max()
    shades = np.where(taken, GREYS, exceeded * (GREYS - 1) // max(1, top))
    parts = []
    for shade in range(1, GREYS + 1):  # shade 0 is the black background
        path = ""
        for row, line in enumerate(shades == shade):
            edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(int), [0]])))
            for start, stop in zip(edges[::2], edges[1::2]):
                path += f"M{start * side:g} {(row + 0.5) * side:g}h{(stop - start) * side:g}"
        color = "#" + 3 * f"{round(255 * shade / (GREYS - 1)):02x}" if shade < GREYS else ACCENT
        if path:
            opacity = ' stroke-opacity=".7"' if shade == GREYS else ""
            parts.append(f'<path d="{path}" stroke="{color}" stroke-width="{side:g}"{opacity}/>')
    return parts


def _plot(top: float, title: str, limits: tuple, lines: dict[str, list], marker: float) -> list[str]:
    """Lines over the threshold between two limits, by color, with a marker at a fraction of the axis."""
    x0, width, height, (low, high) = 400, WIDTH - 400, 100, limits
    parts = [
        text(x0, top - 8, title),
        f'<path d="M{x0} {top}V{top + height}H{WIDTH}" fill="none" stroke="{LIGHT}"/>',
        text(x0 - 8, top + 5, f"{high:g}", end=True),
        text(x0 - 8, top + height + 5, f"{low:g}", end=True),
    ]
    for color, line in lines.items():
        ys = [round(height * (high - value) / (high - low)) for value in line]
        steps = " ".join(f"{width / (len(line) - 1):g} {after - before}" for before, after in zip(ys, ys[1:]))
        parts.append(f'<path d="M{x0} {top + ys[0]}l{steps}" fill="none" stroke="{color}" stroke-width="2"/>')
    style = f'stroke="{GREY}" stroke-width="1.5" stroke-dasharray="3 3"'
    return [*parts, f'<path d="M{x0 + width * marker:g} {top}v{height}" {style}/>']
