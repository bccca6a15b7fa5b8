"""Odd photographs: whatever is wrong with a file is one sentence, and what is transparent lies on white."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from drn_lib.datasets.base import decode_image, decode_labels
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.pictures import rgb_pixels
from drn_lib.images import read_photograph

UNDER = ((0, 0, 0), (255, 255, 255), (12, 200, 99))
"""Colors that may lie under what is transparent."""


def both(data, tmp_path, name="a.png"):
    """The pixels (H, W, 3) of a file by both readers, which must agree."""
    (tmp_path / name).write_bytes(data)
    photograph = read_photograph(tmp_path / name).permute(1, 2, 0).numpy()
    assert np.array_equal(photograph, decode_image(data, name).permute(1, 2, 0).numpy())
    return photograph


def saved(picture, kind="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def png(depth, color_type, rows, transparent, size):
    """A PNG file as the format describes it, for the depths that Pillow does not write; `rows` are packed bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"tRNS", transparent) + pixels + chunk(b"IEND", b"")


def cut_out(under, mode, opacity=(0, 128, 255)):
    """Three pixels: one transparent over `under`, one half transparent of (100, 50, 200), one opaque of it."""
    rgba = np.array([[(*under, opacity[0]), (100, 50, 200, opacity[1]), (100, 50, 200, opacity[2])]], np.uint8)
    return Image.fromarray(rgba).convert(mode)


def on_white(color, opacity):
    return [round((c * opacity + 255 * (255 - opacity)) / 255) for c in color]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_what_lies_under_the_transparent_part_is_not_seen(kind, tmp_path):
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    found = [both(saved(cut_out(under, "RGBA"), kind, **options), tmp_path).tolist() for under in UNDER]
    color = (100, 50, 200)
    assert found == [[[[255] * 3, on_white(color, 128), list(color)]]] * 3


def test_grey_with_opacity_lies_on_white(tmp_path):
    for grey in (0, 255, 77):
        values = np.array([[(grey, 0), (90, 128), (90, 255)]], np.uint8)
        data = saved(Image.frombytes("LA", (3, 1), values.tobytes()))
        assert both(data, tmp_path)[0].tolist() == [[255] * 3, on_white([90] * 3, 128), [90] * 3]


@pytest.mark.parametrize("transparency", [1, bytes([255, 0]), bytes([255, 128, 0])], ids=str)
@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palettes_with_a_transparent_color_lie_on_white(transparency, kind, tmp_path):
    if kind == "GIF" and not isinstance(transparency, int):
        pytest.skip("a GIF file has one transparent color")
    opacity = [255, 0, 255] if isinstance(transparency, int) else [*transparency, 255][:3]
    colors = [(200, 10, 10), (10, 200, 10), (10, 10, 200)]
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    picture.putpalette([value for color in colors for value in color])
    found = both(saved(picture, kind, transparency=transparency), tmp_path)
    assert found[0].tolist() == [on_white(color, part) for color, part in zip(colors, opacity)]


PACKED = {  # depth, color type, one row of samples, the transparent sample, the right pixels
    "1 bit": (1, 0, bytes([0b01000000]), struct.pack(">H", 1), (2, 1), [[0] * 3, [255] * 3]),
    "1 bit, black": (1, 0, bytes([0b01000000]), struct.pack(">H", 0), (2, 1), [[255] * 3, [255] * 3]),
    "2 bits": (2, 0, bytes([0b00011011]), struct.pack(">H", 1), (4, 1), [[0] * 3, [255] * 3, [170] * 3, [255] * 3]),
    "4 bits": (4, 0, bytes([0x05, 0xF0]), struct.pack(">H", 5), (3, 1), [[0] * 3, [255] * 3, [255] * 3]),
    "8 bits": (8, 0, bytes([5, 7]), struct.pack(">H", 5), (2, 1), [[255] * 3, [7] * 3]),
    "16 bits": (16, 0, struct.pack(">2H", 257, 258), struct.pack(">H", 257), (2, 1), [[255] * 3, [1] * 3]),
    "color": (8, 2, bytes([1, 2, 3, 1, 2, 4]), struct.pack(">3H", 1, 2, 3), (2, 1), [[255] * 3, [1, 2, 4]]),
    "deep color": (
        *(16, 2, struct.pack(">6H", 300, 600, 900, 5000, 600, 900), struct.pack(">3H", 300, 600, 900), (2, 1)),
        [[255] * 3, [19, 2, 3]],
    ),
}


@pytest.mark.parametrize("kind", PACKED)
def test_one_transparent_sample_lies_on_white_at_every_depth(kind, tmp_path):
    depth, color_type, row, transparent, size, right = PACKED[kind]
    assert both(png(depth, color_type, [row], transparent, size), tmp_path)[0].tolist() == right


def test_colors_that_are_multiplied_by_their_opacity_lie_on_white():
    for mode, pixels in (("La", [50, 128, 90, 255]), ("RGBa", [50, 50, 50, 128, 90, 90, 90, 255])):
        found = rgb_pixels(Image.frombytes(mode, (2, 1), bytes(pixels)), "a.tif")[0].tolist()
        assert found == [[pytest.approx(50 + 127, abs=1)] * 3, [90] * 3]


def test_a_palette_with_opacity_lies_on_white():
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    picture.putpalette([9, 9, 9, 0, 100, 50, 200, 128], "RGBA")
    assert rgb_pixels(picture, "a.png")[0].tolist() == [[255] * 3, on_white((100, 50, 200), 128)]
    assert rgb_pixels(cut_out((0, 0, 0), "RGBA").convert("PA"), "a.png")[0, 0].tolist() == [255] * 3


def test_a_turned_cut_out_is_turned_and_flat(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = cut_out((0, 0, 0), "RGBA").quantize(4)
    flat = both(saved(picture), tmp_path)
    (tmp_path / "b.png").write_bytes(saved(picture, exif=exif))
    assert np.array_equal(read_photograph(tmp_path / "b.png").permute(1, 2, 0).numpy(), np.rot90(flat, -1))


def test_opaque_pictures_are_read_as_pillow_reads_them(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    for mode in ("RGB", "L", "P", "1", "RGBA", "LA"):
        picture = Image.fromarray(pixels).convert(mode)
        assert np.array_equal(both(saved(picture), tmp_path), np.array(picture.convert("RGB")))
    for mode in ("CMYK", "YCbCr"):
        data = saved(Image.fromarray(pixels).convert(mode), "JPEG")
        assert np.array_equal(both(data, tmp_path), np.array(Image.open(io.BytesIO(data)).convert("RGB")))


def exif_of(tag, kind, count, value):
    """EXIF data that say "turn by a quarter", and one odd entry."""
    entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHI", tag, kind, count) + value
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + b"\0\0\0\0"


ODD_EXIF = {
    "text for a number": exif_of(0x0100, 2, 4, b"abc\0"),
    "bytes for a number": exif_of(0x0103, 7, 4, b"\1\2\3\4"),
    "text for a pair": exif_of(0x011A, 2, 4, b"abc\0"),
    "a division by zero": exif_of(0x011A, 5, 1, struct.pack("<I", 0)),
    "a pointer to nowhere": exif_of(0x8769, 4, 1, struct.pack("<I", 99999)),
    "not numbers at all": b"Exif\0\0II*\0\xff\xff\xff\xff",
}


@pytest.mark.parametrize("kind", ODD_EXIF)
def test_odd_exif_data_do_not_keep_a_photograph_from_being_read(kind, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    (tmp_path / "a.jpg").write_bytes(saved(Image.fromarray(pixels), "JPEG", exif=ODD_EXIF[kind]))
    found = read_photograph(tmp_path / "a.jpg").permute(1, 2, 0).numpy()
    plain = np.array(Image.open(tmp_path / "a.jpg").convert("RGB"))
    assert np.array_equal(found, plain) or np.array_equal(found, np.rot90(plain, -1))


ERRORS = [struct.error("x"), TypeError("x"), KeyError(274), ZeroDivisionError(), OverflowError("x"), EOFError()]
ERRORS += [RecursionError("x"), UnicodeDecodeError("utf-8", b"a", 0, 1, "x"), IndexError("x\ny"), AttributeError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_a_parser_raises_is_one_sentence_of_that_file(error, tmp_path, monkeypatch):
    data = saved(Image.new("RGB", (4, 3), (1, 2, 3)))
    (tmp_path / "a.png").write_bytes(data)

    def fails(*_, **__):
        raise error

    readers = [lambda: read_photograph(tmp_path / "a.png"), lambda: decode_image(data, "a.png")]
    readers.append(lambda: decode_labels(data, "a.png"))
    for place, name in ((ImageFile.ImageFile, "load"), (Image, "open")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, fails)
            for read in readers:
                pytest.raises(DataError, read).match(r"^[^\n]*a\.png[^\n]*$")
    monkeypatch.setattr(ImageOps, "exif_transpose", fails)  # EXIF alone: read as it is stored
    assert read_photograph(tmp_path / "a.png").shape == (3, 3, 4)


def test_no_memory_and_interruptions_are_told_apart(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(saved(Image.new("RGB", (4, 3))))
    for error, raised, says in (
        (MemoryError(), DataError, "too large for the memory"),
        (KeyboardInterrupt(), *[0] * 2),
    ):

        def fails(*_, error=error):
            raise error

        for place, name in ((ImageFile.ImageFile, "load"), (ImageOps, "exif_transpose")):
            with monkeypatch.context() as patch:
                patch.setattr(place, name, fails)
                with pytest.raises(raised or KeyboardInterrupt, match=says or None):
                    read_photograph(tmp_path / "a.png")


def bomb(width, height):
    """A PNG file that claims a size and holds next to nothing."""
    return png(8, 0, [b""], b"\0\0", (width, height))


@pytest.mark.parametrize("size", [(13_000, 13_000), (9_500, 9_500), (90_000_000, 1), (2**31 - 1, 2**31 - 1)])
def test_the_size_is_bounded_from_the_header(size, tmp_path, monkeypatch, recwarn):
    (tmp_path / "a.png").write_bytes(bomb(*size))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("it was decoded"))
    for limit in (Image.MAX_IMAGE_PIXELS, None):  # whatever a user of Pillow has set
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match="a.png.*more pixels than are read safely"):
            read_photograph(tmp_path / "a.png")
        for read in (decode_image, decode_labels):
            pytest.raises(DataError, read, bomb(*size), "a.png").match("more pixels than are read safely")
        assert limit == Image.MAX_IMAGE_PIXELS and not recwarn.list


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's
def test_garbled_pictures_are_read_or_named(tmp_path):
    random = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a cup"
    picture = Image.fromarray(random.integers(0, 256, (12, 9, 4), dtype=np.uint8))
    wholes = [saved(picture.convert("RGB"), "JPEG", exif=exif), saved(picture, exif=exif), saved(picture, "WEBP")]
    wholes += [
        saved(picture, "TIFF"),
        saved(picture.convert("P"), "GIF"),
        saved(picture, "TIFF", compression="tiff_lzw"),
    ]
    for whole in wholes:
        for _ in range(15):
            data = bytearray(whole)
            for place in random.integers(0, min(len(data), 300), 4):
                data[place] = random.integers(256)
            (tmp_path / "a").write_bytes(data[: random.integers(len(data) // 2, len(data) + 1)])
            try:
                assert read_photograph(tmp_path / "a").dim() == 3
            except DataError as error:
                assert "\n" not in str(error)
