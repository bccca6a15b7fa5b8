"""`python -m book.studies NAME`: carry out a study's plan, resuming where it stopped."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from drn_lib import checks, locks
from drn_lib.cli import options as command_line

if TYPE_CHECKING:
    from book.studies.plans import Plan

PROGRAM = "python -m book.studies"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 where it went well."""
    return command_line.run(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = command_line.OneLineParser(
        prog=PROGRAM, description="Carry out a study's plan, resuming where it stopped."
    )
    parser.add_argument("study", help="a plan in data/studies, for instance first_networks")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, one thread each (default 2)")
    parser.add_argument("--device", help="cpu or cuda (default: cuda where there is one); float32 on both")
    parser.add_argument("--of-a-pool", action="store_true", help=argparse.SUPPRESS)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--status", action="store_true", help="print what is done, what is left and the hours left")
    instead.add_argument("--list", action="store_true", help="print a command for each run that is left, one a line")
    instead.add_argument("--run", metavar="NAME", help="carry out this one run in this process, e.g. drn_c_26-s0")
    instead.add_argument("--merge", metavar="FOLDER", type=Path, help="copy the runs of another checkout's folder data")
    parser.set_defaults(function=_study)
    return parser


def _study(options: argparse.Namespace) -> None:
    if options.of_a_pool:
        _end_with_parent()
    from book.studies import plans

    plan = plans.load_plan(options.study)
    by_name = {plan.run_name(*run): run for run in plan.runs()}
    if options.run:
        checks.one_of("run", options.run, by_name)
    from book.studies import pool  # here and below, as torch is imported only where something is computed

    if options.status:
        print(pool.report(plan))
    elif options.list:
        print("".join(f"{command}\n" for command in pool.commands(plan, options.device)), end="")
    elif options.merge:
        for line in pool.merge(plan, options.merge):
            print(line)
    elif options.run:
        _run_one(plan, options.run, by_name[options.run], options.device)
    else:
        from drn_lib.distributed import device_of

        with _ended_by_sigterm():
            pool.run(plan, options.workers, device_of(options.device))


def _run_one(plan: Plan, name: str, run: tuple[str, int], device: str | None) -> None:
    if plan.result(*run) is not None:
        print(f"{name} is already done: {plan.result_file(name)}")
        return
    from book.studies import runs
    from drn_lib.distributed import device_of

    try:
        print(runs.run_one(plan, *run, device_of(device)))
    except locks.Busy as error:  # nothing is wrong: a scheduler, and a pool, may try it again later
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(locks.TRY_LATER)


def _end_with_parent() -> None:
    """End this process as soon as its standard input ends, which only the process that started it holds open."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends what is done here in an orderly way, so that workers end too; later it does what it did before."""
    if threading.current_thread() is not threading.main_thread():  # no other one may change what signals do
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; the same command goes on"))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


if __name__ == "__main__":
    sys.exit(main())
