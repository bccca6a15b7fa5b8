"""The pictures of the live page, written by `make numbers` to `_static/live/`: its samples, and the stored answers.

`pictures.json` says what the samples show and from which weights the stored picture was drawn, which is drawn again
when they change. Samples are stored once, since another version of an encoder makes other bytes of the same picture.
"""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Callable
from functools import partial

from book.live import files
from drn_lib.checkpoints.files import SHIPPED, find_shipped, sha256_of
from drn_lib.names import display_name
from drn_lib.paths import replacing

SIDE = 448  # px of a sample: the largest size at which the page looks
STORED = "stored.webp"
SAMPLES = {  # name: what stands below it, the class that is asked for (None: what the last network names)
    "coffee": ("espresso", "espresso"),  # the page opens on the first
    "wall": ("nine photographs", "espresso"),
    "rocket": ("rocket", "projectile"),
    "chelsea": ("cat", None),
}
ASKED = "coffee"
STORED_SIZE = (1080, 306)  # px, for which the page leaves room
STORED_SIDE = 64  # px at which the stored picture asks, the size that the networks were trained at


def pictures() -> dict:
    """All that `pictures.json` holds."""
    from book import photographs
    from book.figures.tour import WALL

    samples = []
    for name, (title, wanted) in SAMPLES.items():
        if name == "wall":
            captions = "; ".join(map(photographs.caption, WALL)).replace(", from scikit-image", "")
            credit = f"Nine photographs of 64 px: {captions}. All from scikit-image."
        else:
            caption = photographs.caption(name)
            credit = f"{caption[0].upper()}{caption[1:]}."
        kind = "several" if name == "wall" else "single"
        about = {"name": name, "file": f"{name}.webp", "title": title, "wanted": wanted, "kind": kind, "credit": credit}
        samples.append(about)
    *first, last = map(display_name, files.NETWORKS)
    names = f"{', '.join(first)} and {last}"
    shown = {
        "file": STORED,
        "width": STORED_SIZE[0],
        "height": STORED_SIZE[1],
        "alt": "Four pictures: a cup of espresso of 64 pixels; beside it, three times, the same cup under a pale veil "
        f"that opens where a network scores espresso high, for {names}, with a ring at the best cell and a box.",
        "question": f"A stored picture: where do {names} see the espresso?",
        "weights": {name: sha256_of(find_shipped(SHIPPED.format(name))) for name in files.NETWORKS},
        "thresholds": _thresholds(),
    }
    return {"samples": samples, "stored": shown}


def sample(name: str) -> bytes:
    """A sample as WebP."""
    from book.figures.tour import WALL
    from book.photographs import photograph, wall

    return _webp((wall(WALL) if name == "wall" else photograph(name, SIDE)).permute(1, 2, 0).numpy())


def stored() -> bytes:
    """What the networks answer as the page opens, as WebP: for pages on which they do not run."""
    from book.figures.tour import boxes_on
    from book.photographs import photograph

    picture, (_, wanted) = photograph(ASKED, STORED_SIDE), SAMPLES[ASKED]
    weights = {name: SHIPPED.format(name) for name in files.NETWORKS}
    return _webp(boxes_on(picture, wanted, weights, _thresholds()))


def _thresholds() -> dict[str, float]:
    return {name: files.thresholds(name)["single"][str(STORED_SIDE)] for name in files.NETWORKS}


def refresh(check: bool) -> list[str]:
    """Write what differs; with `check` write nothing and return a line for each file that differs.

    Where torch or matplotlib is missing nothing is done, and a line on the screen says so.
    """
    if any(importlib.util.find_spec(name) is None for name in ("torch", "matplotlib")):
        print("left the live page's pictures as they are: they need torch and matplotlib (`make test` installs both)")
        return []
    folder = files.SCRIPTS
    text = json.dumps(pictures(), indent=1, ensure_ascii=False) + "\n"
    index = folder / "pictures.json"
    is_old = not index.is_file() or index.read_text(encoding="utf-8") != text
    makers: dict[str, Callable[[], bytes]] = {f"{name}.webp": partial(sample, name) for name in SAMPLES}
    wanted = {name: make for name, make in makers.items() if not (folder / name).is_file()}
    if is_old or not (folder / STORED).is_file():
        wanted[STORED] = stored
    if is_old:
        wanted["pictures.json"] = text.encode  # last: it vouches for the others
    if check:
        return [f"book/_static/live/{name} is missing or old: run `make numbers`" for name in wanted]
    for name, make in wanted.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(make())
        print(f"wrote {name}")
    return []


def _webp(pixels) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=85, method=6)
    return buffer.getvalue()
