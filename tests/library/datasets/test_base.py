"""Images of every kind become bytes in RGB, and the wrong ones one sentence."""

import io

import numpy as np
import pytest
from PIL import Image

from drn_lib.datasets.base import decode_image, decode_labels
from drn_lib.datasets.contract import DataError
from drn_lib.images import read_photograph

GREY = np.array([[0, 64, 128], [200, 254, 255]], np.uint8)


def encoded(picture, kind):
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def deep(mode):
    """`GREY` in a mode of more than 8 bits, black and white where they were."""
    values = GREY.astype(np.uint16) * 257
    if mode == "I;16B":
        return Image.frombytes(mode, (3, 2), values.astype(">u2").tobytes())
    return Image.fromarray(values.astype(np.int32) if mode == "I" else values)


@pytest.mark.parametrize(("mode", "kind"), [("I;16", "PNG"), ("I;16", "TIFF"), ("I;16B", "TIFF"), ("I", "TIFF")])
def test_sixteen_bits_become_eight(mode, kind, tmp_path):
    data = encoded(deep(mode), kind)
    assert Image.open(io.BytesIO(data)).mode == mode
    (tmp_path / "a").write_bytes(data)
    for image in (decode_image(data, "a"), read_photograph(tmp_path / "a")):
        assert image.shape == (3, 2, 3)
        assert all(np.array_equal(channel, GREY) for channel in image)


def test_sixteen_bits_are_rounded_to_the_nearest_of_eight(tmp_path):
    values = np.array([[0, 128, 129, 385, 386, 65406, 65407, 65535]], np.uint16)  # 257 apart are two greys
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_photograph(tmp_path / "a.png")[0].tolist() == [[0, 0, 1, 1, 2, 254, 255, 255]]


def test_a_deep_photograph_is_turned_as_its_camera_noted(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # by a quarter
    deep("I;16").save(tmp_path / "a.png", exif=turned)
    assert np.array_equal(read_photograph(tmp_path / "a.png")[0], np.rot90(GREY, -1))


@pytest.mark.parametrize(
    "values", [np.array([[0, 65536]], np.int32), np.array([[-1, 0]], np.int32), np.array([[0.5, 1.0]], np.float32)]
)
def test_what_sixteen_bits_do_not_hold_is_one_sentence(values, tmp_path):
    data = encoded(Image.fromarray(values), "TIFF")
    (tmp_path / "a.tif").write_bytes(data)
    for read in (lambda: decode_image(data, "a.tif"), lambda: read_photograph(tmp_path / "a.tif")):
        with pytest.raises(DataError, match="a.tif has grey values that 16 bits do not hold: save it as") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_picture_with_too_many_pixels_is_one_sentence(tmp_path, monkeypatch):
    data = encoded(Image.fromarray(GREY), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2)
    reads = [lambda: decode_image(data, "a"), lambda: decode_labels(data, "a")]
    for read in (*reads, lambda: read_photograph(tmp_path / "a.png")):
        with pytest.raises(DataError, match="more pixels than are read safely"):
            read()


def test_a_colored_label_file_is_answered_with_the_files_that_are_read():
    with pytest.raises(DataError, match=r"use the files named \*_labelIds.png, not the colored ones") as caught:
        decode_labels(encoded(Image.new("RGB", (2, 2)), "PNG"), "a.png")
    assert "TrainIds" not in str(caught.value)
