"""`make bench`: measure how fast the networks run, print the table and write data/results/bench.json.

python -m book.studies.bench                 about a quarter of an hour on two quiet cores
python -m book.studies.bench --quick         a minute: one network, small images; writes build/bench.json
python -m book.studies.bench --show          the stored table; measures nothing
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from book.studies import files
from book.studies.bench import table
from drn_lib.cli.options import OneLineParser, run

QUICK = Path("build", "bench.json")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write; 0 where it went well."""
    parser = OneLineParser(prog="python -m book.studies.bench", description="Measure how fast the networks run.")
    parser.add_argument("--quick", action="store_true", help="one network and one size; writes build/bench.json")
    parser.add_argument("--show", action="store_true", help="print the stored table and measure nothing")
    parser.add_argument("--out", type=Path, help="write into this file (default: data/results/bench.json)")
    parser.set_defaults(function=_bench)
    return run(parser, arguments)


def _bench(options: argparse.Namespace) -> None:
    stored = files.results_dir() / "bench.json"
    if options.show:
        print(table.text(json.loads(stored.read_text(encoding="utf-8"))))
        return
    # Before torch is imported: threads that wait for each other in a loop take the processor from who works.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from book.studies.bench import report

    out = options.out or (QUICK if options.quick else stored)
    found = report.measure_all(report.QUICK if options.quick else report.FULL, lambda line: print(line, flush=True))
    files.write_json(out, found)
    print(f"\n{table.text(found)}\n\n{out}")


if __name__ == "__main__":
    raise SystemExit(main())
