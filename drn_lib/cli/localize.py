"""The command `localize`: boxes around what a classifier names in photographs, as COCO JSON and as pictures.

    python -m drn_lib localize cup.jpg rocket.png --arch drn_c_26 --out found
    python -m drn_lib localize cup.jpg --weights released --arch drn_c_26 --size 224 --out found

The first takes the book's own network, which learned from pictures of 64 px: there --size is 128 where it is not given.
`localization_photographs.find_object` is the same for one image from Python. The method is the paper's
(`drn_lib.localization`); what it leaves open is an option here. torch is imported when the command runs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drn_lib import paths
from drn_lib.checkpoints import onnx
from drn_lib.localization.photographs import CLASS_FROM, CROPS, SIZE, Found, find_object

if TYPE_CHECKING:
    from torch import Tensor

    from drn_lib.network import Network

DRAWN_SIDE = 640
"""Longer side, in pixels, of the pictures that are written."""
BOOK_SIZE = 128
"""Pixels of the shorter side for this book's networks: they know objects of about 64 px."""
BOX_COLOR = (194, 65, 12)  # the book's accent color

CHOICES = {
    "scores": (("logits", "softmax"), "what T is compared with"),
    "crop": (CROPS, "what the box is looked for in: the whole photograph, or its central square"),
    "class_from": (CLASS_FROM, "what names the class: the pass that gives the box, or one or ten crops"),
    "cell_edges": (("tile", "centre"), "which pixels a cell stands for"),
    "empty": (("none", "peak", "image"), "the box where no cell qualifies"),
    "one_cell": (("box", "none"), "the box where one cell alone qualifies: its pixels, or none"),
}
"""What the paper leaves open, by the names of `find_object`: the choices, the default first, and what is chosen."""


def coco_document(
    photographs: Sequence[tuple[str, int, int]], found: Sequence[Found], classes: Sequence[str], note: str = ""
) -> dict:
    """Boxes in the form of COCO's annotation files: `images`, `annotations` and `categories`, numbered from 1.

    Args:
        photographs: (file name, height, width) of each.
        found: what was found in each; without a box there is no annotation.
        classes: the network's, in its order; they become categories 1, 2, ...
        note: how the boxes were made, for `info`.

    Returns:
        What `json` can write. A `bbox` is [x, y, width, height] in pixels of the photograph, from its top left corner;
        `score` is the probability of the class. The outline asked for by `segmentation` is the box itself.
    """
    images, annotations = [], []
    for number, ((name, height, width), one) in enumerate(zip(photographs, found, strict=True), start=1):
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        if one.box is None:
            continue
        x0, y0, x1, y1 = (round(edge, 2) for edge in one.box)
        box = [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)]
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": one.index + 1,
                "bbox": box,
                "area": round(box[2] * box[3], 2),
                "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
                "iscrowd": 0,
                "score": round(one.probability, 4),
            }
        )
    categories = [{"id": k, "name": name, "supercategory": "object"} for k, name in enumerate(classes, start=1)]
    return {
        "info": {"description": f"Boxes from the class maps of a classifier. {note}".strip()},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def draw_found(image: Tensor, found: Found) -> np.ndarray:
    """The photograph with its box, and the class map beside it with the same box: uint8 (h, 2 w, 3).

    What the network did not see is white beside it.

    Args:
        image: uint8 (3, H, W).
        found: what was found in it.
    """
    from PIL import Image, ImageDraw

    height, width = image.shape[1:]
    factor = min(1.0, DRAWN_SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))  # Pillow's order
    values = found.class_map.numpy()
    grey = (255 * (values - values.min()) / max(float(np.ptp(values)), 1e-12)).astype(np.uint8)
    photograph = Image.fromarray(image.permute(1, 2, 0).numpy()).resize(size, Image.Resampling.BILINEAR)
    edges = found.seen or (0, 0, width, height)
    x0, y0, x1, y1 = (round(edge * side / whole) for edge, side, whole in zip(edges, size * 2, (width, height) * 2))
    part = Image.fromarray(grey).resize((max(1, x1 - x0), max(1, y1 - y0)), Image.Resampling.NEAREST)
    cells = Image.new("RGB", size, "white")
    cells.paste(part.convert("RGB"), (x0, y0))
    for picture in (photograph, cells):
        if found.box is not None:
            x0, y0, x1, y1 = (
                edge * side / whole for edge, side, whole in zip(found.box, size * 2, (width, height) * 2)
            )
            corners = x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)  # Pillow counts the last pixel in
            ImageDraw.Draw(picture).rectangle(corners, outline=BOX_COLOR, width=max(1, round(max(size) / 150)))
    return np.concatenate([np.asarray(photograph), np.asarray(cells)], axis=1)


def class_index(model: Network, wanted: str) -> int:
    """The number of a class by its name (upper and lower case are alike) or by its number.

    Raises:
        ValueError: there is no such class; the sentence names the nearest.
    """
    import difflib

    names, count = model.classes, model.classifier.out_channels
    lowered = [name.lower() for name in names or ()]
    if wanted.lower() in lowered:
        return lowered.index(wanted.lower())
    if wanted.isdecimal() and int(wanted) < count:
        return int(wanted)
    if names is None:
        raise ValueError(f"these weights do not name their classes: give --class a number, 0 to {count - 1}")
    near = difflib.get_close_matches(wanted.lower(), lowered, 3) or lowered
    near = ", ".join(names[lowered.index(name)] for name in near[:25])
    raise ValueError(f"the network has no class {wanted!r}; there are {near}")


def add_commands(commands, load: Callable[[str, str | None], Network]) -> None:
    """Add `localize` to argparse's subparsers.

    Args:
        commands: the subparsers.
        load: makes the network from what --weights and --arch say.
    """
    localize = commands.add_parser(
        "localize",
        help="boxes around what a classifier names in photographs",
        description="Writes boxes.json (COCO: bbox = x, y, width, height in pixels of the photograph) and a picture of "
        "each photograph with its box, the class map beside it.",
    )
    localize.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="files of any size, or folders of them")
    localize.add_argument("--arch", help="the network, e.g. drn_c_26; alone it means the trained one of this book")
    localize.add_argument("--weights", help="a file, a shipped name, or 'released' (needs --arch)")
    localize.add_argument("--class", dest="wanted", metavar="NAME", help="look for this class (default: what is named)")
    localize.add_argument(
        "--threshold", type=float, default=-math.inf, metavar="T", help="cells must score more (default: no threshold)"
    )
    localize.add_argument(
        "--size",
        type=int,
        metavar="N",
        help=f"px of the shorter side as the network sees it ({BOOK_SIZE} without --weights, since the book's networks "
        f"know objects of about 64 px; else {SIZE})",
    )
    for name, (known, text) in CHOICES.items():
        flag = f"--{name.replace('_', '-')}"
        localize.add_argument(flag, choices=known, default=known[0], help=f"{text} ({known[0]})")
    localize.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    localize.add_argument(
        "--out", type=Path, default=Path("localized"), help="folder for what is written (%(default)s)"
    )
    localize.set_defaults(function=lambda options: _localize(options, load))


def _localize(options: argparse.Namespace, load: Callable[[str, str | None], Network]) -> None:
    from PIL import Image
    from tqdm import tqdm

    from drn_lib.checkpoints.files import find_shipped, task_of
    from drn_lib.datasets import DataError
    from drn_lib.distributed import device_of
    from drn_lib.images import list_images, read_photograph
    from drn_lib.segmentation.network import TASK

    paths.output_folder(options.out)
    size = options.size if options.size is not None else BOOK_SIZE if options.weights is None else SIZE
    if size < 1:
        raise ValueError(f"--size is a number of pixels, not {size}")
    if math.isnan(options.threshold):
        raise ValueError("--threshold is a number, not nan")
    weights = onnx.weights_named(options.weights, options.arch)
    device = device_of(options.device)
    file = find_shipped(weights)
    if file is not None and task_of(file) == TASK:
        raise ValueError(f"{weights} names every pixel and gives no boxes: use the command segment for it")
    model = load(weights, options.arch)
    model.to(device)
    index = None if options.wanted is None else class_index(model, options.wanted)
    classes = model.classes or [f"class {number}" for number in range(model.classifier.out_channels)]
    choices = {"size": size, **{name: getattr(options, name) for name in CHOICES}}

    files = list_images(options.images)
    options.out.mkdir(parents=True, exist_ok=True)
    limit = "no threshold" if options.threshold == -math.inf else f"threshold {options.threshold:g} on {options.scores}"
    changed = [f"{name} {choices[name]}" for name, (known, _) in CHOICES.items() if choices[name] != known[0]]
    note = ", ".join([f"Weights {weights}, {limit}, shorter side {size} px", *changed]) + "."
    failed, done = [], []  # done: ((name, height, width), what was found) of each photograph
    try:
        for file in tqdm(files, unit="image", disable=os.environ.get("DRN_PROGRESS") == "0"):
            try:
                image = read_photograph(file)
                one = find_object(model, image, options.threshold, index, **choices)
            except DataError as error:
                failed.append(str(error) if str(file) in str(error) else f"{file} ({error})")
                continue
            picture = options.out / f"{len(done) + 1:04d}_{file.stem}.png"  # so files of one name do not meet
            Image.fromarray(draw_found(image, one)).save(picture)
            done.append(((file.as_posix(), *image.shape[1:]), one))
    finally:  # what was found before an interruption is not lost
        boxes = _write_boxes(options.out, done, classes, note)
    print(f"{boxes} boxes in {len(done)} of {len(files)} images: {options.out / 'boxes.json'}, and pictures beside it")
    if boxes < len(done):
        print(f"{len(done) - boxes} images have no box: no cell qualifies (lower --threshold, or see --empty)")
    if failed:
        raise DataError(f"{len(failed)} could not be read: {'; '.join(failed)}")


def _write_boxes(folder: Path, done: Sequence[tuple[tuple, Found]], classes: Sequence[str], note: str) -> int:
    """Writes boxes.json; returns how many boxes are in it."""
    document = coco_document([photograph for photograph, _ in done], [found for _, found in done], classes, note)
    with paths.replacing(folder / "boxes.json") as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return len(document["annotations"])
