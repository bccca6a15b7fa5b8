"""The figures of the pages of Tables 1 to 3, written by `make numbers` to `data/figures/`.

A figure keeps a hash of the numbers that it shows in its header, and is drawn again when they change; another version
of matplotlib alone changes nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from book import ROOT
from book.studies import summaries
from drn_lib.paths import replacing

FOLDER = ROOT / "data" / "figures"
NOTE = "drn_book:numbers"
"""Under this name a figure holds the hash."""

ERRORS = ["left makes fewer errors", "left makes more", "we cannot tell"]
BETTER = ["left is better", "left is worse", "we cannot tell"]
TABLES = {
    "table_1": {
        "study": "classification",
        "rows": {
            "A − ResNet": ("drn_a_18", "resnet_18"),
            "B − A": ("drn_b_26", "drn_a_18"),
            "C − B": ("drn_c_26", "drn_b_26"),
            "A − wider ResNet": ("drn_a_18", "resnet_18_wide"),
            "A − ResNet, larger images": ("drn_a_18", "resnet_18_large"),
        },
        "panels": {"top-1 error, points": "final.test.top1"},
        "words": ERRORS,
    },
    "table_1_ladder": {
        "study": "classification",
        "rows": {
            "A-22 − A": ("ladder_a_22", "drn_a_18"),
            "falling − A-22": ("ladder_a_22_falling", "ladder_a_22"),
            "no residuals − falling": ("ladder_a_22_unlinked", "ladder_a_22_falling"),
            "B − falling": ("drn_b_26", "ladder_a_22_falling"),
            "C − no residuals": ("drn_c_26", "ladder_a_22_unlinked"),
            "front only − A, rule levels": ("ladder_front_22", "drn_a_18_levels"),
            "C − front only": ("drn_c_26", "ladder_front_22"),
            "C − C, tail at dilation 4": ("drn_c_26", "ladder_c_26_constant"),
        },
        "panels": {"top-1 error, points": "final.test.top1", "lattice energy": "lattice_energy.score_map"},
        "words": BETTER,
    },
    "table_2": {
        "study": "classification",
        "rows": {
            "A − ResNet": ("drn_a_18", "resnet_18"),
            "B − A": ("drn_b_26", "drn_a_18"),
            "C − B": ("drn_c_26", "drn_b_26"),
            "A − ResNet, larger images": ("drn_a_18", "resnet_18_large"),
        },
        "panels": {
            "pointing error, points": "clutter.pointing_error_off_middle",
            "error of CAM boxes, points": "clutter.cam.gt_known_50",
        },
        "words": ERRORS,
    },
    "table_3": {
        "study": "segmentation",
        "rows": {
            "ResNet dilated − ResNet": ("resnet_18_dilated", "resnet_18"),
            "A − ResNet dilated": ("drn_a_18", "resnet_18_dilated"),
            "B − A": ("drn_b_26", "drn_a_18"),
            "C − B": ("drn_c_26", "drn_b_26"),
        },
        "panels": {"mean IoU, points": "final.test.miou_present", "specks an image": "final.test.specks"},
        "words": BETTER,
    },
}
"""By a figure's name: the study, its rows (left minus right), its panels (metrics), and what the legend says."""


def compared(study: str, rows: dict, panels: dict, words: list[str]) -> dict[str, tuple[str, list]]:
    """What `forest` draws: by a panel's title its metric and its comparisons, None where nothing was measured."""
    columns = {}
    for title, key in panels.items():
        found = {(row.left, row.right): row for row in summaries.compare(study, list(rows.values()), key)}
        columns[title] = key, [found.get(pair) for pair in rows.values()]
    return columns


def hash_of(name: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of all that a figure shows."""
    lines = [" | ".join(TABLES[name]["words"])]
    for title, (key, found) in compared(**TABLES[name]).items():
        for label, row in zip(TABLES[name]["rows"], found, strict=True):
            shown = "not yet measured"
            if row is not None:
                ends = row.difference, row.over_seeds
                shown = " ".join(f"{value:.4g}" for one in ends for value in (one.estimate, one.low, one.high))
                shown += f" {row.p_adjusted:.2g}"
            lines.append(f"{title} | {key} | {label}: {shown}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def stored(path: Path) -> str | None:
    """The hash in the header of a figure; None where there is no such file or note."""
    from PIL import Image

    if not path.is_file():
        return None
    with Image.open(path) as picture:
        return picture.info.get(NOTE)


def draw(name: str, path: Path) -> None:
    """Draw one figure, with the hash of its numbers in its header."""
    import matplotlib.pyplot as plt

    from book.figures import forest, style

    table = TABLES[name]
    with plt.rc_context():
        style.use_style()
        figure = forest.forest(compared(**table), list(table["rows"]), 5.4, table["words"])
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=180, bbox_inches="tight", metadata={NOTE: hash_of(name)})
        plt.close(figure)


def refresh(check: bool) -> list[str]:
    """Draw what differs; with `check` draw nothing and return a line for each figure that differs.

    Where matplotlib is missing nothing is done, and a line on the screen says so.
    """
    if importlib.util.find_spec("matplotlib") is None:
        print("left the figures of the tables as they are: they need matplotlib (`make test` installs it)")
        return []
    old = [name for name in TABLES if stored(FOLDER / f"{name}.png") != hash_of(name)]
    if check:
        return [f"data/figures/{name}.png is missing or old: run `make numbers`" for name in old]
    for name in old:
        draw(name, FOLDER / f"{name}.png")
        print(f"drew {name}.png")
    return []
