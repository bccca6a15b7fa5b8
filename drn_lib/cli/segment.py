"""The commands that read images by a segmentation network: `segment` photographs, `score-segmentation`.

    python -m drn_lib segment street.jpg --weights my_run/drn_c_26-s0.safetensors
    python -m drn_lib score-segmentation my_run/drn_c_26-s0.safetensors --dataset cityscapes --predictions my_run/val

torch is imported when one of them runs.
"""

from __future__ import annotations

import argparse
import colorsys
from pathlib import Path

from drn_lib import paths
from drn_lib.checkpoints.files import require_weights
from drn_lib.checks import one_of, whole_number
from drn_lib.cli.data import partition_options
from drn_lib.cli.options import add_flags, add_weights, begin, either, for_each, images_of, named_once
from drn_lib.cli.outputs import counted, free_name, save_picture, written
from drn_lib.cli.published import published_iou
from drn_lib.datasets.catalog import BOOK_PARTITIONS, WITH_MASKS, require_names, validation_split
from drn_lib.images import MOST_SIDE, read_photograph
from drn_lib.segmentation.options import Inference

WHOLE_PIXELS = 2048 * 1024
"""Larger images are read by windows where --window does not say otherwise: then no more than a window of the network's
maps is held. The average over --scales or --mirror still holds its answer, (classes, height, width), at full size."""
WINDOW = 1024
OVERLAP = 0.25
ENDS = ("_labels.png", "_color.png", "_overlay.png")
"""Side of such a window in pixels, the fraction of it that neighbors have in common, and how written files end."""


def add_commands(commands) -> None:
    """Add both commands to argparse's subparsers."""
    segment = commands.add_parser("segment", help="label every pixel of photographs with a segmentation network")
    add_flags(segment, "images")
    add_flags(segment, "--out", default=Path("segmented"))
    size = "resize photographs to it first, e.g. 360 for CamVid's networks"
    segment.add_argument("--shorter-side", type=int, metavar="N", help=size)
    what = "a segmentation network's file or shipped name, for instance segmentation/drn_c_26-s0"
    add_flags(segment, "--weights", required=True, help=what)
    _add_reading(segment)
    segment.set_defaults(function=_segment)
    score = commands.add_parser("score-segmentation", help="mean IoU and more of a trained segmentation network")
    add_weights(score)
    score.add_argument("--dataset", default="camvid", help=f"{either(WITH_MASKS)} (default %(default)s)")
    score.add_argument("--split", help="default val, or the set's tune; test is only for final results")
    add_flags(score, "--root")
    score.add_argument("--predictions", type=Path, help="folder for label-id PNGs that the official evaluator reads")
    _add_reading(score)
    score.set_defaults(function=_score)


def _add_reading(command) -> None:
    add_flags(command, "--arch", "--device")
    windows = "read by windows of N px a side; 0: whole (default: by image size)"
    command.add_argument("--window", type=int, metavar="N", help=windows)
    command.add_argument("--scales", default="1", help="factors, for instance 0.75,1,1.25 (default 1)")
    command.add_argument("--mirror", action="store_true", help="read each scale mirrored as well, and average")
    command.add_argument("--log-average", action="store_true", help="average logarithms, as the released code does")


def _segment(options: argparse.Namespace) -> None:
    paths.output_folder(options.out, "--out")
    whole_number("--shorter-side", 1 if options.shorter_side is None else options.shorter_side, 1, MOST_SIDE)
    _require_reading(options, options.weights)
    options.images = images_of(options)
    begin(f"segmenting {counted(len(options.images), 'image')} by {options.weights}")

    from drn_lib.segmentation import predict_labels

    model = _load(options, options.weights)
    taken, done, files = set(), [], []

    def segment_one(file: Path) -> None:
        image = read_photograph(file, options.shorter_side)
        labels = predict_labels(model, image, _inference(options, tuple(image.shape[1:]), model.output_stride))
        name = free_name(options.out, file.stem, ENDS, taken)
        files.extend(write_pictures(options.out, name, image, labels, model.num_classes))
        done.append(file)

    def end(count: int) -> str:
        return f"{len(done)} of {count} images segmented: {written(files)}"

    for_each(options, segment_one, end)


def write_pictures(folder: Path, name: str, image, labels, num_classes: int) -> list[Path]:
    """Write <name>_labels.png, <name>_color.png and <name>_overlay.png of one image into a folder.

    Args:
        folder, name: where to, and how the files' names begin.
        image, labels: uint8 (3, H, W), and its classes, integers (H, W).
        num_classes: with 19, the label file holds Cityscapes ids and the colors are Cityscapes'; else the classes'
            own numbers, in 16 bits beyond 256 classes, and colors spread over the circle of hues.

    Raises ValueError where a label is no class.
    """
    import numpy as np

    from drn_lib.datasets.street_scenes import CLASS_COLORS, label_ids

    low, high = labels.min().item(), labels.max().item()
    if low < 0 or high >= num_classes:
        raise ValueError(f"{name} has labels from {low} to {high} and the network has {num_classes} classes")
    if num_classes == len(CLASS_COLORS):
        numbers, palette = label_ids(labels), CLASS_COLORS
    else:
        numbers = labels.numpy().astype(np.uint8 if num_classes <= 256 else np.uint16)
        hues = [colorsys.hsv_to_rgb(index / num_classes, 0.7, 0.9) for index in range(num_classes)]
        palette = (255 * np.array(hues)).astype(np.uint8)
    colors = palette[labels.numpy()]  # (H, W, 3)
    overlay = (image.permute(1, 2, 0).numpy().astype(np.uint16) + colors) // 2
    pictures = {"labels": numbers, "color": colors, "overlay": overlay.astype(np.uint8)}
    files = [folder / f"{name}_{kind}.png" for kind in pictures]
    for file, pixels in zip(files, pictures.values()):
        save_picture(pixels, file)
    return files


def _require_reading(options: argparse.Namespace, weights: str) -> None:
    """Refuse what is wrong with the flags of `_add_reading` and with the name of the weights. No torch."""
    whole_number("--window", options.window or 0, 0, MOST_SIDE)
    _inference(options, (1, 1), 1)  # which says what is wrong with the options
    if weights == "released":
        raise ValueError("no segmentation weights can be fetched by name: give a file of them in place of 'released'")
    require_weights(weights, options.arch)


def _load(options: argparse.Namespace, weights: str):
    """The network that the weights are of, on the device of the options."""
    from drn_lib.distributed import device_of
    from drn_lib.segmentation import load_segmentation

    device = device_of(options.device)
    model = load_segmentation(weights, options.arch).to(device)
    if (options.window or 0) % model.output_stride:
        raise ValueError(f"--window is a multiple of the network's output stride, {model.output_stride}, or 0")
    return model


def _scales(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--scales {text} is no list of factors, for instance 0.75,1,1.25") from None


def _inference(options: argparse.Namespace, size: tuple[int, int], step: int) -> Inference:
    """How an image of (height, width) is read."""
    scales, window = _scales(options.scales), options.window
    if window is None:
        window = WINDOW if size[0] * size[1] * min(max(scales), 1e6) ** 2 > WHOLE_PIXELS else 0
    overlap = int(OVERLAP * window) // step * step
    average = "log" if options.log_average else "probabilities"
    return Inference(window or None, overlap, scales, options.mirror, average)


def _score(options: argparse.Namespace) -> None:
    weights = named_once(options)
    if options.predictions:
        paths.output_folder(options.predictions, "--predictions")
    one_of("dataset with masks", options.dataset, WITH_MASKS)
    part = partition_options(options.dataset, BOOK_PARTITIONS.get(options.dataset))
    split = options.split or validation_split(options.dataset, **part)
    require_names(options.dataset, split, **part)
    _require_reading(options, weights)
    begin(f"scoring {weights} on {options.dataset} {split}")

    from drn_lib.datasets import open_dataset
    from drn_lib.segmentation import score_segmentation

    model = _load(options, weights)
    dataset = open_dataset(options.dataset, split, options.root, **part)
    published = published_iou(model.backbone.table.name) if (options.dataset, split) == ("cityscapes", "val") else {}
    how = _inference(options, tuple(dataset.image(0).shape[1:]), model.output_stride)
    metrics, _ = score_segmentation(model, dataset, how, progress=True, predictions=options.predictions)
    print(f"{options.dataset} {split}, {len(dataset)} images, {len(how.views)} views an image")
    print(f"{'class':16} {'IoU %':>6}" + ("  published" if published else ""))
    for name in dataset.mask_classes:
        if f"iou.{name}" in metrics:
            print(f"{name:16} {metrics[f'iou.{name}']:6.1f}  {published.get(name.replace(' ', '_'), '')}".rstrip())
    print(f"{'mean, present':16} {metrics['miou_present']:6.1f}  {published.get('mean_iou', '')}".rstrip())
    print(f"{'mean, official':16} {metrics['miou_official']:6.1f}")
    print(
        f"pixel accuracy {metrics['pixel_accuracy']:.1f} %, near boundaries {metrics['band_accuracy']:.1f} %; "
        f"specks an image: {metrics['specks']:.1f}, wrong ones {metrics['wrong_specks']:.1f}"
    )
    if options.predictions:
        print(f"predictions for the official evaluator in {options.predictions}")
