"""A semantic segmentation network: a classifier's maps, a new 1x1 classifier, and bilinear upsampling.

Shapes for N images of H x W pixels, C classes and an output stride of 8 (a ResNet that keeps its strides has 32):

    image (N, 3, H, W) -> last map (N, channels, ceil(H/8), ceil(W/8)) -> scores (N, C, ceil(H/8), ceil(W/8))
    -> bilinearly 8 times larger, cut to the image -> logits (N, C, H, W)

Upsampling and the place of a cell. A score map is enlarged by its output stride exactly, with `align_corners=False`,
and what lies beyond the image is cut off. So the enlargement is the same for every size of image, odd ones too: a
crop, a window and the whole image place the same cell on the same pixels. (`align_corners=True`, or resizing to the
image's size, would stretch the map by another factor for every size.) Cell i then stands on pixels 8i to 8i+7, while
its receptive field is centered on pixel 8i: the last convolutions learn these 3.5 pixels, because they are trained
through the same upsampling.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from drn_lib.architecture import Architecture, require_buildable
from drn_lib.checkpoints.descriptions import TASK, UPSAMPLINGS
from drn_lib.checkpoints.files import find_shipped, read_weights
from drn_lib.checkpoints.weights import load_trained, load_weights, require_savable, save_weights
from drn_lib.checks import one_of, require_type, whole_number
from drn_lib.conversion import dilate
from drn_lib.images import NORMALIZATION, normalize
from drn_lib.network import Network, create_model

HEAD_STD = 0.01
"""Standard deviation of the new classifier's weights. The authors' code has sqrt(2 / classes), 0.32 for 19 classes,
which makes the first logits large."""


class SegmentationNetwork(nn.Module):
    """Class scores for every pixel of an image of any size.

    Args:
        backbone: a network of `create_model`, also one of `list_ablations()` and a ResNet that `conversion.dilate`
            dilated. It is copied and stays as it is; pooling is never used.
        num_classes: classes of the new 1x1 classifier; None keeps the backbone's own, which then was trained for
            pixels already (a released segmentation file, loaded by `load_weights`).
        upsampling: one of `checkpoints.descriptions.UPSAMPLINGS`.
        colors: one of `images.NORMALIZATION`.
        enlarge: factor by which the backbone's input is enlarged; the scores come back at the images' own size. Twice
            as large costs four times as much and gives cells at half the distance.

    `output_stride` is the distance of neighboring cells in pixels of the image as it is.

    Raises:
        ValueError: not a network of ours, an unknown upsampling or normalization, no number of classes, or an
            enlargement that does not divide the backbone's output stride.

    Source: Section 5 (Cityscapes); the released way: segment.py of fyu/drn.
    """

    def __init__(
        self,
        backbone: Network,
        num_classes: int | None = None,
        upsampling: str = "bilinear",
        colors: str = "imagenet",
        enlarge: int = 1,
    ) -> None:
        super().__init__()
        if not isinstance(backbone, Network):
            raise ValueError(f"the backbone must be a network from create_model, not a {type(backbone).__name__}")
        one_of("upsampling", upsampling, UPSAMPLINGS)
        one_of("color normalization", colors, NORMALIZATION)
        self.backbone = copy.deepcopy(backbone)
        if num_classes is not None:
            require_buildable(backbone.table, num_classes)
            self.backbone.classifier = nn.Conv2d(backbone.classifier.in_channels, num_classes, 1)
            self.backbone.classes = None
            nn.init.normal_(self.backbone.classifier.weight, 0.0, HEAD_STD)
            nn.init.zeros_(self.backbone.classifier.bias)
        self.upsampling, self.colors = upsampling, colors
        own_stride = self.backbone.feature_info[-1].reduction
        if own_stride % whole_number("enlarge", enlarge, 1):
            raise ValueError(f"enlarge must divide the backbone's output stride, {own_stride}, not be {enlarge}")
        self.enlarge, self.output_stride = enlarge, own_stride // enlarge
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in NORMALIZATION[colors])
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    @property
    def table(self) -> Architecture:
        """The backbone's levels."""
        return self.backbone.table

    @property
    def num_classes(self) -> int:
        """Classes of the 1x1 classifier."""
        return self.backbone.classifier.out_channels

    @property
    def classes(self) -> list[str] | None:
        """The classes' names where they are known."""
        return self.backbone.classes

    def prepare(self, images: Tensor) -> Tensor:
        """Bytes (N, 3, H, W) in 0..255 to the float32 input of `forward`; errors as `images.normalize`."""
        return normalize(images, self.mean, self.std)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes, H, W) of images (N, 3, H, W) that `prepare` has normalized."""
        size = tuple(x.shape[2:])
        if self.enlarge > 1:
            x = nn.functional.interpolate(x, scale_factor=self.enlarge, mode="bilinear", align_corners=False)
        scores = self.backbone.score_map(x)  # (N, classes, H/8, W/8)
        return upsample(scores, size, self.output_stride, self.upsampling)


def upsample(scores: Tensor, size: tuple[int, int], step: int, upsampling: str = "bilinear") -> Tensor:
    """Enlarge a score map `step` times and cut it to the image.

    Args:
        scores: (N, C, h, w).
        size: (H, W) of the image in pixels, at most (step h, step w).
        step: pixels between neighboring cells.
        upsampling: one of `checkpoints.descriptions.UPSAMPLINGS`.

    Returns:
        (N, C, H, W).
    """
    border = 1 if upsampling == "released" else 0
    if border:
        scores = nn.functional.pad(scores, (1, 1, 1, 1))
    height, width = (step * cells for cells in scores.shape[2:])
    large = nn.functional.interpolate(scores, (height, width), mode="bilinear", align_corners=False)
    start = border * step
    return large[..., start : start + size[0], start : start + size[1]]


def make_backbone(
    name: str,
    width: float = 1.0,
    weights: str | Path | None = None,
    dilation_rule: str | None = None,
    output_stride: int | None = None,
) -> Network:
    """A classifier to make a segmentation network of, with fresh weights or with trained ones.

    Args:
        name, width, dilation_rule: as `create_model` takes them.
        weights: as `load_weights` takes them; the file's own classifier is not used.
        output_stride: 8 or 16 dilates a ResNet by the exact rule after its weights are loaded; None leaves it.

    Raises:
        ValueError, FileNotFoundError: as `create_model`, `load_weights` and `dilate`.
    """
    model = create_model(name, 1, width, dilation_rule)  # its classifier will be replaced
    if weights is not None:
        load_weights(model, weights, head="drop")
    return model if output_stride is None else dilate(model, output_stride)


def require_savable_segmentation(backbone: Network, enlarge: int = 1) -> None:
    """Raise ValueError where `save_segmentation` could not save the network, so that it is known before a training."""
    if enlarge > 1:
        raise ValueError(f"a network that enlarges its images {enlarge} times cannot be saved as a file of weights")
    require_savable(backbone.table)


def save_segmentation(
    model: SegmentationNetwork, path: str | Path, classes: list[str] | None = None, **metadata: object
) -> Path:
    """Write a segmentation network to one safetensors file that is all `load_segmentation` needs.

    Args:
        model, path, classes, metadata: as `checkpoints.save_weights` takes them. A ResNet that was dilated to output
            stride 8 is saved as the DRN-A that it has become.

    Raises:
        ValueError: as `save_weights`; a network that enlarges its images, of which no file says so.
    """
    require_type(model, SegmentationNetwork, "the model")
    require_savable_segmentation(model.backbone, model.enlarge)
    about = {"task": TASK, "upsampling": model.upsampling, "colors": model.colors}
    return save_weights(model.backbone, path, classes, **{**metadata, **about})


def load_segmentation(name_or_path: str | Path, arch: str | None = None, num_classes: int = 19) -> SegmentationNetwork:
    """The segmentation network in a file, in eval mode.

    Args:
        name_or_path: a file of `save_segmentation`, or the name of a shipped one; or a released segmentation file.
        arch: for a released file, which network it holds ("drn_d_22"); it is upsampled and normalized as there.
        num_classes: of a released file.

    Raises:
        FileNotFoundError: no such file, no such name.
        ValueError: the file holds a classifier, or does not say what it holds and `arch` does not either.
    """
    path = find_shipped(name_or_path)
    about = read_weights(path)[1] if path is not None else None
    if path is not None and about is None:
        if arch is None:
            raise ValueError(f"{path.name} does not say which network it holds: name it, for instance drn_d_22")
        backbone = load_weights(create_model(arch, num_classes), path)
        return SegmentationNetwork(backbone, upsampling="released", colors="cityscapes").eval()
    backbone = load_trained(name_or_path)
    if about.get("task") != TASK:
        raise ValueError(f"{path.name} holds a classifier of whole images: train it to segment first, or take another")
    if arch not in (None, backbone.table.name):
        raise ValueError(f"{path.name} holds a {backbone.table.name}, not a {arch}")
    return SegmentationNetwork(backbone, upsampling=about["upsampling"], colors=about["colors"]).eval()
