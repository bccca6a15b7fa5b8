"""The command line: `python -m drn_lib --help`."""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 where it went well. Errors that a user can mend are one sentence, without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m drn_lib", description="Dilated Residual Networks, from the book.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_study(commands)
    options = parser.parse_args(arguments)
    try:
        return options.function(options)
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        print(f"{parser.prog} {options.command}: {error}", file=sys.stderr)
        return 1


def _add_study(commands) -> None:
    study = commands.add_parser("study", help="carry out a study's plan, going on where it stopped")
    study.add_argument("study", help="a plan in data/studies, for instance first_networks")
    study.add_argument("--workers", type=int, default=2, help="runs at a time, one thread each (default 2)")
    study.add_argument("--status", action="store_true", help="print what is done, what is left and the hours left")
    study.add_argument("--run", metavar="NAME", help="carry out this one run in this process, e.g. drn_c_26-s0")
    study.set_defaults(function=_study)


def _study(options: argparse.Namespace) -> int:
    from drn_lib import runs, studies

    plan = studies.load_plan(options.study)
    if options.status:
        print(studies.report(plan))
    elif options.run:
        by_name = {plan.run_name(*run): run for run in plan.runs()}
        if options.run not in by_name:
            raise ValueError(f"the plan has no run {options.run}; it has {', '.join(by_name)}")
        print(runs.run_one(plan, *by_name[options.run]))
    else:
        studies.run(plan, options.workers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
