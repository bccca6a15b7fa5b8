"""What all commands share: flags, photographs one by one, and errors as one sentence."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from drn_lib import __version__, paths
from drn_lib.checks import LAST_SEED, require_device, whole_number
from drn_lib.cli.errors import PLAIN, reader_has_gone, tell
from drn_lib.training.recipes import ClassificationRecipe, list_recipes

PATIENCE = 30.0
"""Seconds in which torchrun has ended a process that waits for it."""


def either(names: Iterable[str]) -> str:
    """The names as a choice: "a, b or c"."""
    return " or ".join(", ".join(names).rsplit(", ", 1))


RECIPES = either(list_recipes(ClassificationRecipe))
"""The recipes of `train` and `evaluate`, for their help."""
FLAGS: dict[str, dict[str, Any]] = {
    "images": {"nargs": "+", "type": Path, "metavar": "IMAGE", "help": "files of any size, or folders of them"},
    "--arch": {"help": "the network in the file, e.g. drn_c_26; needed only for the authors' weights"},
    "--weights": {"help": "a file, a shipped name such as first_networks/drn_c_26-s0, or 'released' (needs --arch)"},
    "--root": {"type": Path, "help": "folder of the data set (default: look in $DRN_DATA, then in the cache)"},
    "--device": {"help": "cpu or cuda (default: cuda where there is one)"},
    "--workers": {"type": int, "default": 4, "help": "processes that read files, per training process (default 4)"},
    "--out": {"type": Path, "help": "folder for what is written (%(default)s)"},
}
"""The flags that several commands take, as argparse wants them."""
LIMITS = {
    "seed": (0, LAST_SEED),
    "workers": (0, 256),
    "epochs": (1, 100_000),
    "score_every": (1, 100_000),
}
"""The least and the largest value of the flags that are whole numbers, of all commands alike."""


class OneLineParser(argparse.ArgumentParser):
    """A parser that says what is wrong with the flags in one line, without repeating the usage; exit status 2."""

    def add_version(self) -> None:
        """Add --version, the library's."""
        self.add_argument("--version", action="version", version=f"drn-lib {__version__}")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def add_flags(command, *names: str, **changes: object) -> None:
    """Add flags of `FLAGS` to a command (or to a group of its flags), with changes that hold for all of them."""
    for name in names:
        command.add_argument(name, **{**FLAGS[name], **changes})


def add_weights(command) -> None:
    """Add --weights to a command that scores them and takes no other file, so that they may stand without the flag."""
    command.add_argument("file", nargs="?", metavar="WEIGHTS", help="the same as --weights")
    add_flags(command, "--weights")


def named_once(options: argparse.Namespace) -> str:
    """The weights that were named by the flags of `add_weights`; ValueError where they were not, or twice."""
    if (options.file is None) == (options.weights is None):
        command = options.command
        raise ValueError(f"name the weights once: {command} WEIGHTS, or {command} --weights WEIGHTS")
    return options.weights or options.file


def add_network(command) -> None:
    """Add --arch and --weights to a command that takes the book's own network where only --arch is given."""
    add_flags(command, "--arch", help="the network, e.g. drn_c_26; without --weights the trained one of this book")
    add_flags(command, "--weights")


def begin(text: str) -> None:
    """Say what begins once all names are known to be right: the import of torch takes a while, and says nothing.

    Of several processes, the first one says it.
    """
    if os.environ.get("RANK", "0") == "0":
        print(f"{text} ...", flush=True)


def images_of(options: argparse.Namespace) -> list[Path]:
    """The images that are named, and those in folders that are.

    Raises:
        DataError: none of them is there, or a folder holds none. One that is missing among others is told at the end.
    """
    from drn_lib.datasets.contract import DataError
    from drn_lib.images import list_images

    files = list_images(options.images)
    if not any(file.exists() for file in files):
        which = f"{files[0]} is" if len(files) == 1 else f"all {len(files)} images are"
        raise DataError(f"{which} not there: correct the path")
    return files


def for_each(options: argparse.Namespace, work: Callable[[Path], None], end: Callable[[int], str]) -> None:
    """Do the work for each image of `options.images`, with a progress bar; DataError at the end for what went wrong.

    The images are files, as of `images_of`. Whatever goes wrong with one leaves the others alone. `options.out` is
    a folder to make, and what earlier runs wrote into it is skipped. `end` gives what is printed in the
    end, from the number of files, and is called after an interruption too.
    """
    from tqdm import tqdm

    from drn_lib.cli.outputs import without_ours
    from drn_lib.datasets.contract import DataError

    files, failed = without_ours(options.images, options.out), []
    verb, cause = "read", None
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        for file in tqdm(files, unit="image", disable=not paths.shows_progress()):
            try:
                work(file)
            except Exception as error:
                said = (str(error).strip().splitlines() or [type(error).__name__])[0]
                failed.append(said if str(file) in said else f"{file} ({said})")
                if not isinstance(error, DataError):
                    verb, cause = "processed", cause or error
    finally:
        said = end(len(files))
    print(said)
    if failed:
        raise DataError(f"{len(failed)} could not be {verb}: {'; '.join(failed)}") from cause


def run(parser: argparse.ArgumentParser, arguments: list[str] | None, resumable: Sequence[str] | None = None) -> int:
    """Parse and carry out a command; 0 where it went well. Errors are told in one line; with DRN_DEBUG=1 also where.

    Args:
        parser: sets `function`, which takes the options, and perhaps `command`, the name of a subcommand.
        arguments: of the command line; those of this process where it is None.
        resumable: the subcommands that resume where they stopped; None where the command has none and does.
    """
    said, resumes = parser.prog, False
    try:
        options = parser.parse_args(arguments)
        command = getattr(options, "command", None)
        said = f"{parser.prog} {command}" if command else parser.prog
        resumes = resumable is None or command in resumable
        for name in LIMITS.keys() & vars(options).keys():
            if (value := getattr(options, name)) is not None:
                whole_number(f"--{name.replace('_', '-')}", value, *LIMITS[name])
        if (device := getattr(options, "device", None)) is not None:
            require_device(device)
        options.function(options)
        sys.stdout.flush()  # on a full disk this fails, and it is said
    except Exception as error:
        if isinstance(error, BrokenPipeError) and reader_has_gone():
            return 1
        if (process := _process(error)) is not None:
            tell(error, f"{said}{process}", _advice(parser.prog) if isinstance(error, ImportError) else "")
        return 1
    except KeyboardInterrupt:
        print(f"stopped; the same command {'goes on from here' if resumes else 'starts again'}", file=sys.stderr)
        return 130
    finally:
        reader_has_gone()
    return 0


def _advice(program: str) -> str:
    """What to do where a package is missing: in a checkout, where `make book` installs no torch, and elsewhere."""
    try:
        paths.data_dir()
    except FileNotFoundError:
        return "; install torch and torchvision"
    return f"; run `make lab` once, then use .venv/bin/{program} …"


def _process(error: Exception) -> str | None:
    """The process that an error message names; "" if it names none, None if another process reports the error.

    Before the processes join, what a user can fix goes wrong in all alike, and the first of a machine says it. A
    RuntimeError may be one process's own: a GPU that is not there for it.
    """
    if getattr(error, "silent", False):
        return None
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ""
    process = f" (process {os.environ.get('RANK', '?')})"
    torch = sys.modules.get("torch")
    joined = torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized()
    if joined or isinstance(error, RuntimeError) or not isinstance(error, PLAIN):
        return process
    if os.environ.get("LOCAL_RANK", "0") == "0":
        return ""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    time.sleep(PATIENCE)  # torchrun ends all as soon as one has ended: the first one must have spoken by then
    return process
