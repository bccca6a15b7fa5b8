"""The pictures that a command writes: told from a user's own by a mark, so that none is lost or read again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drn_lib import paths
from drn_lib.datasets.contract import DataError

if TYPE_CHECKING:
    import numpy as np

MARK = "python -m drn_lib"
"""What the text chunk "Software" of a PNG file says that one of the commands wrote."""
NAMED = 5
"""How many files a line names."""


def save_picture(pixels: np.ndarray, file: Path) -> None:
    """Write pixels, uint8, as a marked PNG file, whole or not at all."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text("Software", MARK)
    with paths.replacing(file) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", pnginfo=about)


def is_ours(file: Path) -> bool:
    """Whether a command wrote the picture; nothing of it is decoded."""
    from PIL import Image

    try:
        with Image.open(file) as picture:
            return picture.info.get("Software") == MARK
    except Exception:  # whatever is wrong with it, it was not written by `save_picture`
        return False


def without_ours(files: Sequence[Path], out: Path) -> list[Path]:
    """The files without those that earlier runs wrote into the folder `out`; what is there is said in one line.

    Raises:
        DataError: nothing else is left.
    """
    written = {os.path.realpath(file) for file in out.glob("*.png") if is_ours(file)}
    own = [file for file in files if os.path.realpath(file) in written]
    if written:
        names = ", ".join(file.name for file in own[:NAMED]) + (", ..." if len(own) > NAMED else "")
        left_out = f"; {len(own)} of them were named as images and are left out: {names}" if own else ""
        print(f"{out} holds {len(written)} pictures of an earlier run, which stay unless replaced{left_out}")
    if len(own) == len(files):
        raise DataError(f"all images that were named are pictures that an earlier run wrote into {out}: name others")
    return [file for file in files if file not in own]


def counted(number: int, what: str) -> str:
    """ "1 image", "2 images", "2 boxes"."""
    return f"{number} {what}{'' if number == 1 else 'es' if what.endswith('x') else 's'}"


def written(files: Sequence[Path]) -> str:
    """What a command wrote, in a few words: the files by their names, or the folder that they are in."""
    if not files:
        return "nothing was written"
    if len(files) <= NAMED:
        return f"wrote {', '.join(map(str, files))}"
    return f"wrote {files[0]} and {len(files) - 1} more files beside it"


def free_name(folder: Path, stem: str, ends: Sequence[str], taken: set[str]) -> str:
    """The stem, with a number where another image of this run has it, or where it would replace a user's own file.

    Args:
        folder, ends: files named <name><end> are going to be written into the folder.
        taken: names of this run in lower case, since some disks take A and a for one; the new one is added.
    """

    def is_free(name: str) -> bool:
        files = [folder / f"{name}{end}" for end in ends]
        return name.lower() not in taken and all(is_ours(file) for file in files if file.exists())

    name, number = stem, 1
    while not is_free(name):
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.lower())
    return name
