"""Picture files of every kind: opened with bounds, turned as the camera noted, and flattened to RGB on white.

Pillow raises whatever its parsers meet (struct.error, KeyError, ZeroDivisionError), so everything is caught here.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from drn_lib.datasets.contract import DataError

MOST_READ = 89_478_485
"""The most pixels of a picture that is decoded, by its header; Pillow only warns beyond this."""
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_STEPS = {"1": 255, "L;2": 85, "L;4": 17}
"""What one step of a PNG's sample becomes in Pillow's 8 bits, by the raw mode; its transparent grey is not scaled."""


class Unreadable(DataError):
    """A picture cannot be read; the message is a clause such as "damaged or cut short", without the file's name."""


@contextlib.contextmanager
def opened(source: Path | BinaryIO) -> Iterator[Image.Image]:
    """The decoded picture of a file; its `info["raw"]` is the raw mode of a PNG file, else empty.

    Raises:
        Unreadable: it is missing, no image, damaged or too large, or the work within the context failed on it.
    """
    stage = "not an image that can be read"
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(source) as picture:
                if picture.width * picture.height > MOST_READ:
                    raise Image.DecompressionBombError
                stage = "damaged or cut short"
                raw = picture.tile[0][3] if picture.format == "PNG" and picture.tile else ""
                picture.load()
                picture.info["raw"] = raw
                yield picture
        except DataError:
            raise
        except FileNotFoundError as error:
            raise Unreadable("no such file") from error
        except _BOMBS as error:
            raise Unreadable(f"of more pixels than are read safely, {MOST_READ / 1e6:.0f} million") from error
        except MemoryError as error:
            raise Unreadable("too large for the memory") from error
        except Exception as error:
            said = str(getattr(error, "strerror", None) or error).strip().splitlines()
            known = stage.startswith("not") and getattr(error, "errno", None) is None
            reason = "" if known else f" ({said[0][:120] if said else type(error).__name__})"
            raise Unreadable(stage + reason) from error


def turned(picture: Image.Image) -> Image.Image:
    """The picture turned as the camera noted in its EXIF data; as it is stored where those are damaged."""
    try:
        return ImageOps.exif_transpose(picture)
    except MemoryError:
        raise
    except Exception:  # Pillow writes all EXIF data again, so that any odd entry fails
        return picture


def rgb_pixels(picture: Image.Image, name: str) -> np.ndarray:
    """The pixels of a picture of any mode, uint8 (H, W, 3), RGB; what is transparent lies on white.

    Raises:
        DataError: grey values that are no whole numbers from 0 to 65535; Pillow itself would turn most of them white.
    """
    if picture.mode in ("La", "RGBa"):  # colors already multiplied by their opacity
        picture = picture.convert(picture.mode.upper())
    key = picture.info.get("transparency")
    of_palette = picture.mode == "P" and (key is not None or picture.palette.mode == "RGBA")
    if of_palette or picture.mode in ("LA", "PA", "RGBA"):
        picture = picture.convert("RGBA")
        opacity = np.array(picture.getchannel("A"))
    else:
        opacity = None if key is None else _keyed_opacity(picture, key)
    picture.info.pop("transparency", None)
    pixels = _deep_grey(picture, name) if picture.mode.startswith(("I", "F")) else np.array(picture.convert("RGB"))
    if opacity is None:
        return pixels
    opacity = opacity[:, :, None].astype(np.uint16)
    return ((pixels * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _keyed_opacity(picture: Image.Image, key: object) -> np.ndarray | None:
    """The opacity (H, W) of a picture in which one grey or one color is transparent; None where the key is no such."""
    values, raw = np.array(picture), picture.info.get("raw", "")
    values = values.reshape(*values.shape[:2], -1).astype(np.int32)  # (H, W, channels)
    key = np.array(key if isinstance(key, (int, tuple)) else (), np.int64).reshape(-1)
    if len(key) != values.shape[2]:
        return None
    if picture.mode == "1":
        key = key > 0
    elif raw.startswith("RGB;16"):  # Pillow keeps the upper 8 bits of colors
        key = key >> 8
    else:
        key = key * _STEPS.get(raw, 1)
    return np.where((values == key).all(axis=2), 0, 255).astype(np.uint8)


def _deep_grey(picture: Image.Image, name: str) -> np.ndarray:
    values = np.array(picture)  # (H, W)
    if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise DataError(f"{name} has grey values that 16 bits do not hold: save it as a picture of 8 or 16 bits")
    grey = ((values.astype(np.int32) + 128) // 257).astype(np.uint8)  # 65535 becomes 255
    return np.repeat(grey[:, :, None], 3, axis=2)
