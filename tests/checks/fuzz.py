"""Garble files and read them: each must be read, or refused in one sentence that names it.

    python -m tests.checks.fuzz --rounds 300 --seed 0 [READER ...]

Each reader has some whole files; a round takes one of them, damages it once or several times, and reads it. Some of the
files hold code that a careless reader would run. Anything but a value or a ValueError or OSError of one line fails, and
so do numbers that are not finite, a folder that such code made, more memory than a few gigabytes, and a long wait.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

from book.studies import files, plans, results
from drn_lib.checkpoints.weights import load_trained, load_weights, save_weights
from drn_lib.datasets.base import decode_image, decode_labels
from drn_lib.images import read_photograph
from drn_lib.network import create_model

LONGEST = 400
"""Characters of a sentence."""
SECONDS = 20.0
"""That one file may take."""
MEMORY = 4 << 30
"""Bytes that reading may add."""
WORDS = [b"null", b"NaN", b"-1", b"1e999", b"[]", b"{}", b"true", b'""', b"0", b"99999999999999999999", b"'", b"\n"]
STUDY, RUN = "first_networks", "drn_c_26-s0"


@dataclass(frozen=True)
class Reader:
    """Whole files by name ("bad": one that must be refused), and how one is read; AssertionError for a bad value."""

    read: Callable[[Path], None]
    whole: dict[str, bytes]
    named: str = "{}"  # where a file must bear a certain name


def garble(data: bytes, chance: random.Random) -> bytes:
    """One kind of damage, at a random place."""
    here, there = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    length = min(there - here, 64)
    kind = chance.choice(["bits", "bits", "cut", "insert", "double", "leave out", "swap", "word", "word"])
    if kind == "bits":
        changed = bytearray(data)
        for _ in range(chance.choice([1, 2, 8])):
            if changed:
                changed[chance.randrange(min(len(changed), chance.choice([200, 10**9])))] ^= 1 << chance.randrange(8)
        return bytes(changed)
    if kind == "cut":
        return data[:here]
    if kind == "insert":
        return data[:here] + chance.choice([bytes(length), chance.randbytes(length), *WORDS]) + data[here:]
    if kind == "double":
        return data[: here + length] + data[here:]
    if kind == "leave out":
        return data[:here] + data[here + length :]
    if kind == "swap":
        return data[:here] + data[there : there + length] + data[here:there] + data[there + length :]
    words = list(re.finditer(rb"[\w.-]+", data[:20_000]))
    if not words:
        return data
    one, other = chance.choice(words), chance.choice(words)
    return data[: one.start()] + chance.choice([other.group(), *WORDS]) + data[one.end() :]


def encoded(kind: str, mode: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 4), dtype=np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(pixels.view(np.uint16)[:, :, 0])
    else:
        picture = Image.fromarray(pixels).convert(mode)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


class Bomb:
    """Makes a folder where it is unpickled without care."""

    def __init__(self, folder: Path):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def saved(content: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def weights_reader(folder: Path, made: Path) -> Reader:
    torch.manual_seed(0)
    with torch.random.fork_rng():
        model = create_model("resnet_18", 3, width=0.0625)
    own = save_weights(model, folder / "own.safetensors", ["a", "b", "c"]).read_bytes()
    state = model.state_dict()
    old = {"_use_new_zipfile_serialization": False}
    checkpoint = {"epoch": 3, "arch": "resnet_18", "best_prec1": 0.5, "optimizer": {"lr": 0.1}}
    checkpoint["state_dict"] = {f"module.{name}": tensor for name, tensor in state.items()}

    def read(path: Path) -> None:
        if path.name == "own.safetensors":
            loaded = load_trained(path)
        else:
            loaded = load_weights(create_model("resnet_18", 3, width=0.0625), path)
        assert all(tensor.isfinite().all() for tensor in loaded.state_dict().values()), "weights that are not finite"

    whole = {"own.safetensors": own, "bare.safetensors": save(state), "new.pth": saved(state)}
    whole |= {"old.pth": saved(state, **old), "checkpoint.pth": saved(checkpoint)}
    whole |= {"bad.pth": saved({**state, "x": Bomb(made)}), "bad_old.pth": saved({**state, "x": Bomb(made)}, **old)}
    return Reader(read, whole)


def results_reader(folder: Path, made: Path) -> Reader:
    stored = (files.results_dir() / STUDY / f"{RUN}.json").read_bytes()

    def read(path: Path) -> None:
        run = files.load_run(path)
        assert all(np.isfinite(value) for value in run.metrics.values()), "a metric that is not finite"

    return Reader(read, {"run.json": stored}, f"{RUN}.json")


def arrays_reader(folder: Path, made: Path) -> Reader:
    source = files.results_dir() / STUDY
    with np.load(source / f"{RUN}.npz") as arrays:
        names = list(arrays)
    bomb = io.BytesIO()
    np.savez(bomb, **{names[0]: np.array([Bomb(made)], dtype=object)})

    def read(path: Path) -> None:
        shutil.copy(source / f"{RUN}.json", path.with_suffix(".json"))
        for name in names:
            found = results.per_image(STUDY, "drn_c_26", name, path.parent.parent)
            assert found is None or found.dtype != object, "an array of objects"

    return Reader(read, {"run.npz": (source / f"{RUN}.npz").read_bytes(), "bad.npz": bomb.getvalue()}, f"{RUN}.npz")


def photographs_reader(folder: Path, made: Path) -> Reader:
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "a camera", 0x011A: 72.0})
    exif.get_ifd(0x8769).update({0x9003: "2020:01:01 00:00:00", 0x829A: 0.01})

    def read(path: Path) -> None:
        image = read_photograph(path, 32)
        assert image.dtype == torch.uint8 and image.shape[0] == 3 and min(image.shape[1:]) == 32, "an odd photograph"

    whole = {"a.jpg": encoded("JPEG", "RGB", exif=exif), "cmyk.jpg": encoded("JPEG", "CMYK")}
    whole |= {"a.png": encoded("PNG", "RGBA", exif=exif), "p.png": encoded("PNG", "P", transparency=3)}
    whole |= {"wide.png": encoded("PNG", "I;16"), "a.webp": encoded("WEBP", "RGBA"), "a.gif": encoded("GIF", "P")}
    whole |= {"a.tif": encoded("TIFF", "RGBA", exif=exif), "bad.tif": encoded("TIFF", "F")}
    whole["a.bmp"] = encoded("BMP", "L")
    return Reader(read, whole)


def samples_reader(folder: Path, made: Path) -> Reader:
    def read(path: Path) -> None:
        if path.suffix == ".jpg":
            assert decode_image(path.read_bytes(), path.name).shape[0] == 3, "an odd image"
        else:
            assert decode_labels(path.read_bytes(), path.name).ndim == 2, "odd labels"

    return Reader(read, {"a.jpg": encoded("JPEG", "L"), "p.png": encoded("PNG", "P"), "l.png": encoded("PNG", "L")})


def plans_reader(folder: Path, made: Path) -> Reader:
    whole = {path.name: path.read_bytes() for path in sorted(files.studies_dir().glob("*.yml"))}
    lines = ["study: {}", "recipe: shapes-live", "waves:", "- {{variants: [resnet_18], seeds: [0]}}", "{}"]
    bomb = "\n".join(lines).format("bad", f"x: !!python/object/apply:os.mkdir ['{made}']")
    whole["bad.yml"] = bomb.encode()

    def read(path: Path) -> None:
        for name, content in whole.items():  # a plan may name the variants of another one
            if not (path.parent / name).exists():
                (path.parent / name).write_bytes(content)
        with patch.object(files, "studies_dir", lambda: path.parent):
            plan = plans.load_plan(path.stem)
        assert plan.study == path.stem and plan.runs(), "a plan of another study, or of no run"

    return Reader(read, whole)


READERS = {
    "weights": weights_reader,
    "results": results_reader,
    "arrays": arrays_reader,
    "photographs": photographs_reader,
    "samples": samples_reader,
    "plans": plans_reader,
}


def outcome(read: Callable[[Path], None], path: Path, made: Path) -> str:
    """ "read", "refused", or what must not be."""
    start, message = time.monotonic(), ""
    try:
        read(path)
        end = "read"
    except (UnicodeError, json.JSONDecodeError) as error:  # ValueErrors, but not of ours
        end = f"{type(error).__name__}: {error}"
    except (ValueError, OSError) as error:
        end, message = "refused", str(error)
    except Exception as error:
        end = f"{type(error).__name__}: {error}"
    if made.exists():
        made.rmdir()
        return "code in the file was run"
    if time.monotonic() - start > SECONDS:
        return f"took {time.monotonic() - start:.0f} s"
    if end == "refused" and ("\n" in message or not 0 < len(message) <= LONGEST):
        return f"no sentence: {message}"
    if end == "refused" and path.stem not in message:
        return f"does not name the file: {message}"
    return end


def fuzz(name: str, rounds: int, seed: int, folder: Path) -> tuple[Counter, list[str]]:
    """How often what happened, and each thing that must not happen, with what repeats it."""
    made = folder / "made"
    reader, counts, escaped = READERS[name](folder, made), Counter(), []
    files = sorted(reader.whole)
    for number in range(-len(files), rounds):
        chance = random.Random(f"{name} {seed} {number}")
        whole = files[number] if number < 0 else chance.choice(files)  # first each as it is
        data = reader.whole[whole]
        for _ in range(chance.choice([1, 1, 1, 2, 4]) if number >= 0 else 0):
            data = garble(data, chance)
        path = folder / STUDY / reader.named.format(whole)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = outcome(reader.read, path, made)
        if number < 0 and (found == "read") is whole.startswith("bad"):
            found = f"the whole file: {found}"
        counts[found if found in ("read", "refused") else "escaped"] += 1
        if found not in ("read", "refused"):
            escaped.append(f"{name}, round {number}, {whole}: {' '.join(found.split())[:LONGEST]}")
    return counts, escaped


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(READERS))
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))
    failed = 0
    for name in options.readers or READERS:
        with tempfile.TemporaryDirectory() as folder:
            counts, escaped = fuzz(name, options.rounds, options.seed, Path(folder))
        print(f"{name}: {', '.join(f'{count} {what}' for what, count in sorted(counts.items()))}")
        print("".join(f"  {line}\n" for line in escaped), end="", flush=True)
        failed += len(escaped)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
