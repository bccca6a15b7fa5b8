"""The figures of chapter 07 that show real frames of CamVid: drawn where the data set is, else shown as stored.

Two finished figures lie in `data/figures/`, each with the SHA-256 of the weights that it shows in its header.
`python -m book.figures.camvid` draws both again: after the weights changed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from book.figures.panels import Panel, panels
from book.figures.segmentation import class_colors, painted
from book.figures.style import use_style
from drn_lib import paths
from drn_lib.checkpoints.files import find_shipped, sha256_of
from drn_lib.datasets import open_dataset
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.sources import is_there
from drn_lib.names import display_name
from drn_lib.segmentation.inference import predict_labels
from drn_lib.segmentation.network import SegmentationNetwork, load_segmentation
from drn_lib.segmentation.scores import find_specks

NETWORKS = {"street": ("resnet_18", "drn_a_18"), "specks": ("drn_a_18", "drn_c_26")}
"""The networks of each figure, as the study `segmentation` trained them with seed 0."""

STREET = 150  # a test frame of the drive that no network was trained on
SPREAD = range(26, 233, 70)  # test frames at equal distances, not chosen by their look
KEY = ("road", "sidewalk", "building", "pole", "traffic sign", "vegetation", "sky", "person", "car")
WEIGHTS = "drn_lib:weights"
"""Under this name a stored figure holds the SHA-256 of its weights."""


def draw(name: str) -> Figure:
    """A figure from the frames of CamVid.

    "street" shows a frame, what two networks make of it, and the truth; "specks" three frames as in the paper's Fig. 8,
    with the number of specks of each mask.

    Raises:
        DatasetNotFound: CamVid is not there.
    """
    frames = open_dataset("camvid", "test")
    networks = [load_segmentation(f"segmentation/{network}-s0") for network in NETWORKS[name]]
    return {"street": _street, "specks": _specks}[name](frames, networks)


def stored(name: str) -> Path:
    """The stored picture of a figure."""
    return paths.data_dir() / "figures" / f"camvid_{name}.png"


def show(name: str) -> None:
    """Draw a figure where $DRN_DATA is set and CamVid is there, else display the stored one; nothing is fetched."""
    from IPython.display import Image, display

    if os.environ.get("DRN_DATA") and is_there("camvid"):
        draw(name)
    else:
        display(Image(filename=stored(name)))


def weights_of(name: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of each network's weights in a figure, with commas between."""
    files = [find_shipped(f"segmentation/{network}-s0") for network in NETWORKS[name]]
    return ",".join(sha256_of(file)[:16] if file else "none" for file in files)


def store(name: str) -> Path:
    """Draw a figure and store it; returns its file."""
    file = stored(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure = draw(name)
    with paths.replacing(file) as temporary:
        figure.savefig(temporary, format="png", metadata={WEIGHTS: weights_of(name)})
    plt.close(figure)
    return file


def _street(frames: ImageDataset, networks: Sequence[SegmentationNetwork]) -> Figure:
    frame, truth = frames[STREET]["image"], frames[STREET]["mask"]
    coarse, fine = (painted(predict_labels(network, frame)) for network in networks)
    first, second = map(display_name, NETWORKS["street"])
    given = (frame, "a frame that no network has trained on"), (painted(truth), "the truth; white: not labelled")
    answers = (coarse, f"{first}, cells of 32 px"), (fine, f"{second}, cells of 8 px")
    rows = [[Panel(values, note=note) for values, note in row] for row in (given, answers)]
    return panels(rows, ["", ""], key=class_colors(KEY))


def _specks(frames: ImageDataset, networks: Sequence[SegmentationNetwork]) -> Figure:
    rows = []
    for index in SPREAD:
        frame, truth = frames[index]["image"], frames[index]["mask"]
        masks = [*(predict_labels(network, frame) for network in networks), truth]
        rows.append([frame, *(Panel(painted(mask), note=f"specks: {find_specks(mask)[1]}") for mask in masks)])
    return panels(rows, ["frame", *map(display_name, NETWORKS["specks"]), "truth"], width=9.6)


if __name__ == "__main__":
    use_style()
    for figure_name in NETWORKS:
        print(store(figure_name))
