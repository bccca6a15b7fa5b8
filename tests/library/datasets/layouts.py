"""Tiny copies of the published layouts."""

import io

import numpy as np
import pytest
from PIL import Image

from drn_lib.datasets import open_dataset
from drn_lib.datasets.contract import DataError

WNIDS = ["n02", "n01"]


def encoded(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def make_tiny(folder):
    """A Tiny-ImageNet of two classes with three training and two validation images each; one image is grey."""
    top = folder / "tiny-imagenet-200"
    write(top / "wnids.txt", "\n".join(WNIDS) + "\n")
    write(top / "words.txt", "n01\ttench, Tinca tinca\nn02\tgoldfish\nn03\tshark\n")
    for k, wnid in enumerate(WNIDS):
        for i in range(3):
            pixels = noise(10 * k + i, 64, 64) if i == 2 else noise(10 * k + i, 64, 64, 3)
            write(top / f"train/{wnid}/images/{wnid}_{i}.JPEG", encoded(pixels, "JPEG", quality=95))
        lines = [f"{wnid}_{i}.JPEG\t{i}\t{k}\t{i + 9}\t{63 if k else 0}\n" for i in range(3)]
        write(top / f"train/{wnid}/{wnid}_boxes.txt", "".join(lines))
    for i in range(4):
        write(top / f"val/images/val_{i}.JPEG", encoded(noise(50 + i, 64, 64, 3), "JPEG"))
    lines = [f"val_{i}.JPEG\t{WNIDS[i % 2]}\t0\t0\t63\t63\n" for i in range(4)]
    write(top / "val/val_annotations.txt", "".join(lines))
    return top


def open_tiny(root, split="train", partition=None, **options):
    return open_dataset("tiny-imagenet", split, root, partition=partition, **options)


def street(top, split="train", image=None, ids=None, sequence="aachen", end=".png"):
    image = noise(1, 6, 8, 3) if image is None else image
    ids = np.full((6, 8), 7, np.uint8) if ids is None else ids
    stem = f"{split}/{sequence}/{sequence}_000000_000019"
    write(top / f"leftImg8bit/{stem}_leftImg8bit{end}", encoded(image))
    return write(top / f"gtFine/{stem}_gtFine_labelIds.png", encoded(ids))


def refuses(says, *opened, index=None, **options):
    """`open_dataset` raises what `says` asks for; with an index, only the sample does."""
    if index is None:
        with pytest.raises(DataError, match=says):
            open_dataset(*opened, **options)
    else:
        data = open_dataset(*opened, **options)
        with pytest.raises(DataError, match=says):
            data[index]
