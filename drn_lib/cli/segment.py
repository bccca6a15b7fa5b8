"""The commands of segmentation: `segment` photographs, `train-segmentation`, `score-segmentation`.

    python -m drn_lib segment street.jpg --weights my_run/drn_c_26-s0.safetensors
    python -m drn_lib train-segmentation --recipe cityscapes --arch drn_c_26 --weights released --out my_run
    python -m drn_lib score-segmentation my_run/drn_c_26-s0.safetensors --dataset cityscapes --predictions my_run/val

`add_commands` describes them to argparse; torch is imported when one of them runs.
"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

from drn_lib import paths
from drn_lib.cli.published import published_iou
from drn_lib.images import list_images, read_photograph
from drn_lib.training.recipes import SegmentationRecipe, list_recipes, recipe, with_fields

WHOLE_PIXELS = 2048 * 1024
"""Larger images are read by windows where --window does not say otherwise: then no more than a window of the network's
maps is held. The average over --scales or --mirror still holds its answer, (classes, height, width), at full size."""

WINDOW = 1024
OVERLAP = 0.25
"""Side of such a window in pixels, and the share of it that neighbours have in common."""


def add_commands(commands) -> None:
    """Add the three commands to argparse's subparsers; each sets `function`, called with the options."""
    _add_segment(commands)
    _add_train(commands)
    _add_score(commands)


def _add_segment(commands) -> None:
    segment = commands.add_parser("segment", help="name every pixel of photographs by a trained segmentation network")
    segment.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="files of any size, or folders of them")
    segment.add_argument("--out", type=Path, default=Path("segmented"), help="folder for what is written (%(default)s)")
    segment.add_argument(
        "--shorter-side", type=int, metavar="N", help="resize photographs to it first, e.g. 360 for CamVid's networks"
    )
    _add_reading(segment, "--weights", required=True)
    segment.set_defaults(function=_segment)


def _add_train(commands) -> None:
    train = commands.add_parser("train-segmentation", help="train a segmentation network, going on where it stopped")
    known = ", ".join(list_recipes(SegmentationRecipe))
    train.add_argument("--recipe", default="camvid-reduced", help=f"one of {known} (default %(default)s)")
    train.add_argument("--arch", required=True, help="the backbone, for instance drn_c_26")
    train.add_argument("--weights", help="trained classifier to begin from: a file, a shipped name, or 'released'")
    train.add_argument("--output-stride", type=int, choices=(8, 16), help="dilate a ResNet to it (default: leave it)")
    train.add_argument("--dilation-rule", help="exact, levels or released (default: the family's own)")
    train.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation (default 0)")
    train.add_argument("--epochs", type=int, help="instead of the recipe's")
    train.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="another field of the recipe, e.g. scale=2"
    )
    train.add_argument("--root", type=Path, help="folder of the data set")
    train.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    train.add_argument(
        "--out",
        type=Path,
        help="folder for the state, the logs and the weights (default runs/<recipe>/<arch>-s<seed> in this folder)",
    )
    train.add_argument("--workers", type=int, default=4, help="processes that read, a training process (default 4)")
    train.add_argument("--sync-batch-norm", action="store_true", help="one normalization over all GPUs' images")
    train.add_argument("--tensorboard", action="store_true", help="write TensorBoard's files beside log.csv")
    train.add_argument("--score-every", type=int, default=10, help="epochs between scores of val (default 10)")
    train.set_defaults(function=_train)


def _add_score(commands) -> None:
    score = commands.add_parser("score-segmentation", help="mean IoU and more of a trained segmentation network")
    score.add_argument("--dataset", default="camvid", help="camvid, cityscapes or streets (default %(default)s)")
    score.add_argument("--split", help="default val, of streets tune; test is for final results alone")
    score.add_argument("--root", type=Path, help="folder of the data set")
    score.add_argument("--predictions", type=Path, help="folder for label-id PNGs that the official evaluator reads")
    _add_reading(score, "weights")
    score.set_defaults(function=_score)


def _add_reading(command, weights: str, **options) -> None:
    """What tells a network and how it reads images."""
    command.add_argument(weights, help="a segmentation network's file or shipped name", **options)
    command.add_argument("--arch", help="the network in a file that does not say it: released ones, e.g. drn_d_22")
    command.add_argument(
        "--window", type=int, metavar="N", help="read by windows of N px a side; 0: whole (default: by image size)"
    )
    command.add_argument("--scales", default="1", help="factors, for instance 0.75,1,1.25 (default 1)")
    command.add_argument("--mirror", action="store_true", help="read each scale mirrored as well, and average")
    command.add_argument("--log-average", action="store_true", help="average logarithms, as the released code does")
    command.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")


def _segment(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from drn_lib.datasets import DataError
    from drn_lib.segmentation import predict_labels

    paths.output_folder(options.out)
    if options.shorter_side is not None and options.shorter_side < 1:
        raise ValueError(f"--shorter-side is a number of pixels, not {options.shorter_side}")
    model = _load(options)
    files = list_images(options.images)
    options.out.mkdir(parents=True, exist_ok=True)
    failed, taken = [], set()
    for file in tqdm(files, unit="image", disable=os.environ.get("DRN_PROGRESS") == "0"):
        try:
            image = read_photograph(file, options.shorter_side)
        except DataError as error:
            failed.append(str(error))
            continue
        labels = predict_labels(model, image, _inference(options, tuple(image.shape[1:]), model.output_stride))
        write_pictures(options.out, _free_name(file.stem, taken), image, labels, model.num_classes)
    print(f"{len(files) - len(failed)} of {len(files)} images segmented: labels, colors and overlays in {options.out}")
    if failed:
        raise DataError(f"{len(failed)} could not be read: {'; '.join(failed)}")


def write_pictures(folder: Path, name: str, image, labels, num_classes: int) -> list[Path]:
    """Writes what one image came to: <name>_labels.png, <name>_color.png and <name>_overlay.png.

    Args:
        folder: Where to.
        name: How the files' names begin.
        image: uint8 (3, H, W).
        labels: Classes, integers (H, W).
        num_classes: With 19, the label file holds Cityscapes ids and the colors are Cityscapes'; else the classes'
            own numbers, and colors spread over the circle of hues.

    Returns:
        The three files.
    """
    import numpy as np
    from PIL import Image

    from drn_lib.datasets.street_scenes import CLASS_COLORS, label_ids

    if num_classes == len(CLASS_COLORS):
        numbers, palette = label_ids(labels), CLASS_COLORS
    else:
        import colorsys

        numbers = labels.numpy().astype(np.uint8)
        hues = [colorsys.hsv_to_rgb(index / num_classes, 0.7, 0.9) for index in range(num_classes)]
        palette = (255 * np.array(hues)).astype(np.uint8)
    colors = palette[labels.numpy()]  # (H, W, 3)
    overlay = (image.permute(1, 2, 0).numpy().astype(np.uint16) + colors) // 2
    pictures = {"labels": numbers, "color": colors, "overlay": overlay.astype(np.uint8)}
    files = []
    for kind, pixels in pictures.items():
        files.append(folder / f"{name}_{kind}.png")
        Image.fromarray(pixels).save(files[-1])
    return files


def _free_name(stem: str, taken: set[str]) -> str:
    """The stem, or the stem with a number where another file of this run has it."""
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name


def _load(options: argparse.Namespace):
    """The network of the options, on their device; what needs no network to be found wrong is found before."""
    from drn_lib.distributed import device_of
    from drn_lib.segmentation import load_segmentation

    _scales(options.scales)
    if options.window is not None and options.window < 0:
        raise ValueError(f"--window is a number of pixels, or 0 for the whole image, not {options.window}")
    if options.weights == "released":
        raise ValueError("no segmentation weights can be fetched by name: give a file of them in place of 'released'")
    device = device_of(options.device)
    return load_segmentation(options.weights, options.arch).to(device)


def _scored_split(dataset: str) -> str:
    """The split on which a network is scored while choices are still made."""
    return "tune" if dataset == "streets" else "val"


def _scales(text: str) -> tuple[float, ...]:
    """The factors of --scales."""
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--scales {text} is no list of factors, for instance 0.75,1,1.25") from None
    if not all(0 < scale < math.inf for scale in scales):
        raise ValueError(f"--scales are finite factors above zero, for instance 0.75,1,1.25, not {text}")
    return scales


def _inference(options: argparse.Namespace, size: tuple[int, int], step: int):
    """How an image of (height, width) is read."""
    from drn_lib.segmentation import Inference

    scales, window = _scales(options.scales), options.window
    if window is None:
        window = WINDOW if size[0] * size[1] * max(scales) ** 2 > WHOLE_PIXELS else 0
    overlap = int(OVERLAP * window) // step * step
    average = "log" if options.log_average else "probabilities"
    return Inference(window or None, overlap, scales, options.mirror, average)


def _train(options: argparse.Namespace) -> None:
    import torch

    from drn_lib import distributed
    from drn_lib.datasets import open_dataset
    from drn_lib.segmentation import make_backbone, save_segmentation, train_segmentation
    from drn_lib.training import RunOptions

    out = paths.output_folder(options.out or Path("runs", options.recipe, f"{options.arch}-s{options.seed}"))
    if options.epochs is not None:
        options.set.append(f"epochs={options.epochs}")
    plan = with_fields(recipe(options.recipe, SegmentationRecipe), options.set)
    device = distributed.device_of(options.device)
    train_set = open_dataset(plan.dataset, "train", options.root)
    val_set = open_dataset(plan.dataset, _scored_split(plan.dataset), options.root)
    weights = options.arch if options.weights == "released" else options.weights
    torch.manual_seed(options.seed)
    backbone = make_backbone(options.arch, plan.width, weights, options.dilation_rule, options.output_stride)
    torch.backends.cudnn.benchmark = True  # every batch has one size: the fastest algorithm is looked for once
    how = RunOptions(out, device, options.workers, options.sync_batch_norm, options.tensorboard)
    trained = train_segmentation(plan, backbone, options.seed, train_set, val_set, options.score_every, how)
    if distributed.join(device).leads:
        file = out / f"{options.arch}-s{options.seed}.safetensors"
        save_segmentation(trained.model, file, train_set.mask_classes, recipe=plan.as_dict())
        last = trained.curve[-1]
        print(
            f"mean IoU on validation images after epoch {last['epoch']}: {last['val_miou_present']:.1f} %, pixel "
            f"accuracy {last['val_pixel_accuracy']:.1f} %; weights in {file}"
        )
    distributed.leave()


def _score(options: argparse.Namespace) -> None:
    from drn_lib.datasets import open_dataset
    from drn_lib.segmentation import score_segmentation

    if options.predictions:
        paths.output_folder(options.predictions, "--predictions")
    model = _load(options)
    split = options.split or _scored_split(options.dataset)
    dataset = open_dataset(options.dataset, split, options.root)
    how = _inference(options, tuple(dataset.image(0).shape[1:]), model.output_stride)
    metrics, _ = score_segmentation(model, dataset, how, progress=True, predictions=options.predictions)
    print(f"{options.dataset} {split}, {len(dataset)} images, {len(how.views)} views an image")
    published = published_iou(model.backbone.table.name) if (options.dataset, split) == ("cityscapes", "val") else {}
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
