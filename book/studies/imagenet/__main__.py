"""`python -m book.studies.imagenet photographs pets probe`: measure, and write data/results/lite0_<name>.json."""

from __future__ import annotations

import argparse
import importlib

from drn_lib.checkpoints import load_lite0
from drn_lib.cli.options import OneLineParser, run

PARTS = ("photographs", "pets", "probe")


def main(arguments: list[str] | None = None) -> int:
    """Carry out parts of the plan; 0 where it went well."""
    parser = OneLineParser(prog="python -m book.studies.imagenet", description="Measure a real ImageNet network.")
    parser.add_argument("parts", nargs="+", choices=PARTS, help="of the plan data/studies/measurements/lite0.yml")
    parser.set_defaults(function=_measure)
    return run(parser, arguments)


def _measure(options: argparse.Namespace) -> None:
    for part in options.parts:
        importlib.import_module(f"book.studies.imagenet.{part}").measure(load_lite0())
        print(f"data/results/lite0_{part}.json")


if __name__ == "__main__":
    raise SystemExit(main())
