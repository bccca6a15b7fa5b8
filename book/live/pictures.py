"""The pictures of the live page, written by `make numbers` to `_static/live/`: its samples, and the stored answers.

`pictures.json` says what the samples show and from which weights the stored picture was drawn, so that it is drawn
again when the networks change. The samples are stored once: another version of an encoder makes other bytes of the
same picture.
"""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Callable

from book.live import files
from drn_lib.paths import checkpoints_dir, replacing

SIDE = 448  # px of a sample: the largest size at which the page looks
STORED = "stored.webp"
SAMPLES = {  # name: what stands below it, the class that is asked for (None: what the last network names)
    "wall": ("nine photographs", "espresso"),
    "coffee": ("espresso", "espresso"),
    "rocket": ("rocket", "projectile"),
    "chelsea": ("cat", None),
}


def pictures() -> dict:
    """All that `pictures.json` holds."""
    from book.cells import photographs
    from book.figures.tour import WALL
    from drn_lib.checkpoints.files import sha256_of
    from drn_lib.names import display_name

    samples = []
    for name, (title, wanted) in SAMPLES.items():
        if name == "wall":
            credit = "Nine photographs of 64 px: " + "; ".join(photographs.caption(one) for one in WALL)
            credit = credit.replace(", from scikit-image", "") + ". All from scikit-image."
        else:
            credit = photographs.caption(name)
            credit = f"{credit[0].upper()}{credit[1:]}."
        samples.append({"name": name, "file": f"{name}.webp", "title": title, "wanted": wanted, "credit": credit})
    labels = [display_name(name) for name in files.NETWORKS]
    return {
        "samples": samples,
        "stored": {
            "file": STORED,
            "alt": f"Three pictures: a wall of nine photographs; beside it, twice, the same wall under a pale veil "
            f"that opens where a network scores espresso high, for {labels[0]} and for {labels[1]}, with a ring at the "
            "best cell.",
            "question": f"A stored picture: where do {labels[0]} and {labels[1]} see the espresso?",
            "weights": {name: sha256_of(_weights(name)) for name in files.NETWORKS},
        },
    }


def sample(name: str) -> bytes:
    """A sample as WebP."""
    from book.cells.photographs import photograph, wall
    from book.figures.tour import WALL

    return _webp((wall(WALL) if name == "wall" else photograph(name, SIDE)).permute(1, 2, 0).numpy())


def stored() -> bytes:
    """What both networks answer for the first sample, as WebP: for pages on which they do not run."""
    import matplotlib.pyplot as plt
    import numpy as np
    import torch
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from book.cells.photographs import wall
    from book.figures.style import use_style
    from book.figures.tour import WALL, where_it_looks
    from drn_lib.checkpoints.weights import load_trained
    from drn_lib.images import normalize

    picture, maps = wall(WALL), {}
    for name in files.NETWORKS:
        network = load_trained(_weights(name))
        with torch.inference_mode():
            maps[name] = network.score_map(normalize(picture[None]))[0, network.classes.index(SAMPLES["wall"][1])]
    use_style()
    figure = where_it_looks([(picture, maps)])
    canvas = FigureCanvasAgg(figure)  # whatever the backend of the moment is
    canvas.draw()
    plt.close(figure)
    return _webp(np.asarray(canvas.buffer_rgba())[..., :3])


def refresh(check: bool) -> list[str]:
    """Write what differs; with `check` write nothing and return a line for each file that differs.

    All of it needs torch and matplotlib. Where they are missing nothing is done, and a line on the screen says so.
    """
    if any(importlib.util.find_spec(name) is None for name in ("torch", "matplotlib")):
        print("left the live page's pictures as they are: they need torch and matplotlib (`make test` installs both)")
        return []
    folder = files.SCRIPTS
    text = json.dumps(pictures(), indent=1, ensure_ascii=False) + "\n"
    index = folder / "pictures.json"
    is_old = not index.is_file() or index.read_text(encoding="utf-8") != text
    wanted: dict[str, Callable[[], bytes]] = {f"{name}.webp": lambda name=name: sample(name) for name in SAMPLES}
    wanted = {name: make for name, make in wanted.items() if not (folder / name).is_file()}
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


def _weights(name: str):
    from drn_lib.checkpoints.files import SHIPPED

    return checkpoints_dir() / f"{SHIPPED.format(name)}.safetensors"


def _webp(pixels) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=85, method=6)
    return buffer.getvalue()
