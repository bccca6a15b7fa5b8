"""`python -m book.studies NAME`: carry out a study's plan, resuming where it stopped."""

from __future__ import annotations

import argparse
import signal
import sys

from drn_lib.cli import options as command_line

PROGRAM = "python -m book.studies"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 where it went well."""
    return command_line.run(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Carry out a study's plan, resuming where it stopped.")
    parser.add_argument("study", help="a plan in data/studies, for instance first_networks")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, one thread each (default 2)")
    parser.add_argument("--status", action="store_true", help="print what is done, what is left and the hours left")
    parser.add_argument("--run", metavar="NAME", help="carry out this one run in this process, e.g. drn_c_26-s0")
    parser.add_argument("--device", help="cpu or cuda (default: cuda where there is one); float32 on both")
    parser.set_defaults(function=_study)
    return parser


def _study(options: argparse.Namespace) -> None:
    from book.studies import plans, pool, runs
    from drn_lib.distributed import device_of

    plan = plans.load_plan(options.study)
    if options.status:
        print(pool.report(plan))
    elif options.run:
        by_name = {plan.run_name(*run): run for run in plan.runs()}
        if options.run not in by_name:
            raise ValueError(f"the plan has no run {options.run}; it has {', '.join(by_name)}")
        print(runs.run_one(plan, *by_name[options.run], device_of(options.device)))
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; the same command goes on"))  # ends the workers too
        pool.run(plan, options.workers, device_of(options.device))


if __name__ == "__main__":
    sys.exit(main())
