"""The command line: `python -m drn_lib --help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from drn_lib.cli import options

PROGRAM, SCRIPT = "python -m drn_lib", "drn"
"""How the command line is called: as a module, or by the script that is installed with the library."""
RESUMABLE = ("data", "train", "train-segmentation")
"""The commands that leave something behind from which the same command resumes."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 where it went well."""

    return options.run(parser(), arguments, RESUMABLE)


def parser() -> argparse.ArgumentParser:
    """All commands; each sets `function`, which takes the options."""
    from drn_lib.cli import data, evaluate, export, localize, segment, train  # here, as numpy may be missing

    program = SCRIPT if Path(sys.argv[0]).stem == SCRIPT else PROGRAM
    everything = options.OneLineParser(prog=program, description="Dilated Residual Networks, from the book.")
    everything.add_version()
    commands = everything.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (data, train, evaluate, localize, segment, export):
        module.add_commands(commands)
    return everything
