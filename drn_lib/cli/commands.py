"""The command line: `python -m drn_lib --help`."""

from __future__ import annotations

import argparse

from drn_lib.cli import options

PROGRAM = "python -m drn_lib"
RESUMABLE = ("data", "train", "train-segmentation")
"""The commands that leave something behind from which the same command resumes."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 where it went well."""

    return options.run(parser(), arguments, RESUMABLE)


def parser() -> argparse.ArgumentParser:
    """All commands; each sets `function`, which takes the options."""
    from drn_lib.cli import data, evaluate, export, localize, segment, train  # here, as numpy may be missing

    everything = options.OneLineParser(prog=PROGRAM, description="Dilated Residual Networks, from the book.")
    commands = everything.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (data, train, evaluate, localize, segment, export):
        module.add_commands(commands)
    return everything
