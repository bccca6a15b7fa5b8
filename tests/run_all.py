"""Run every check one after the other; `make test` calls it, `make check` with `--fast`.

Prints each stage with its time, then the ten slowest items, then one line for each thing that did not run and why.
Exit status 1 if any stage failed; a failed stage does not stop the later ones. With `--record` it also writes which
tests `make check` leaves out because they take longer than a moment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
SLOW = ROOT / "tests" / "slow.txt"
SPEED = "tests/library/test_speed.py"  # measured with no other worker beside it
MOMENT = 0.2  # seconds
REPORTS = ROOT / "_build" / "reports"
PROSE = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "book", "notebooks", "drn_lib", "tests", "data"]
CHAPTERS = ROOT / "_build" / "chapters" / "notebooks"
NBVAL = ["--nbval-current-env", "--nbval-sanitize-with", "tests/notebooks/nbval_sanitize.cfg"]
NBVAL += ["--nbval-cell-timeout=300", "--nbval-kernel-startup-timeout=120", "--dist", "loadscope"]


@dataclass
class Outcome:
    """What all stages together did."""

    passed: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: Counter = field(default_factory=Counter)  # item -> seconds
    not_run: Counter = field(default_factory=Counter)  # reason -> number of tests


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


@dataclass(frozen=True)
class Stage:
    """A command, the seconds that it may take on two quiet cores, and its processes beside pytest's own."""

    name: str
    command: list[str]
    budget: int
    workers: int = 2


def stages(fast: bool) -> list[Stage]:
    """In the order of running."""
    unit = ["pytest", "tests", "--ignore=tests/site"]
    found = [
        Stage("ruff", python("ruff", "check", "--quiet", "."), 5),
        Stage("codespell", python("codespell_lib", *(name for name in PROSE if (ROOT / name).exists())), 5),
        Stage("imports", [str(Path(sys.executable).with_name("lint-imports"))], 5),
    ]
    if fast:
        return [*found, Stage("unit tests", python(*unit, "-m", "not slow"), 50)]
    return [
        *found,
        Stage("speed", python("pytest", SPEED), 60, workers=0),
        Stage("unit tests", python(*unit, f"--ignore={SPEED}"), 380),
        Stage("passes", python("tests.notebooks.passes"), 5),
        Stage("chapters", python("pytest", "--nbval", str(CHAPTERS), *NBVAL), 170),
        Stage("book", ["make", "--no-print-directory", "book"], 40),
        Stage("site", python("pytest", "tests/site", "--dist", "worksteal"), 250),
    ]


def run(stage: Stage, outcome: Outcome) -> None:
    """Run one stage and add what it did to `outcome`."""
    name, command = stage.name, stage.command
    environment = dict(os.environ, DRN_PROGRESS="0", OMP_NUM_THREADS="1", PYDEVD_DISABLE_FILE_VALIDATION="1")
    if name not in ("unit tests", "passes"):  # tests that want real data ask for it themselves
        environment.pop("DRN_DATA", None)
    report = None
    if "pytest" in command:
        report = REPORTS / f"{name.replace(' ', '-')}.xml"
        report.unlink(missing_ok=True)
        command = [*command, "-q", "--no-header", "-n", str(stage.workers), f"--junitxml={report}"]
    print(f"== {name}", flush=True)
    start = time.monotonic()
    status = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode
    seconds = time.monotonic() - start
    print(f"== {name}: {'ok' if status == 0 else 'FAILED'}, {seconds:.0f} s of {stage.budget}", flush=True)
    failed_before = outcome.failed
    if report is not None and report.is_file():
        read_report(name, report, outcome)
    else:
        outcome.seconds[name] = seconds
        outcome.passed += status == 0
        outcome.failed += status != 0
    if status != 0:
        outcome.failures.append(name)
        outcome.failed += outcome.failed == failed_before  # a stage that failed outside its tests


def read_report(stage: str, report: Path, outcome: Outcome) -> None:
    """Count the tests of one pytest report; the cells of a chapter count as one item's time."""
    for case in ElementTree.parse(report).iter("testcase"):
        where = case.get("classname", "")
        item = f"{where}::{case.get('name')}"
        if stage.startswith("chapters"):
            item = f"{stage}: {where.split('.ipynb')[0].rsplit('.', 1)[-1]}"
        outcome.seconds[item] += float(case.get("time", 0))
        skipped = case.find("skipped")
        if skipped is not None:
            outcome.not_run[skipped.get("message") or "no reason given"] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
        else:
            outcome.passed += 1


def record_slow(outcome: Outcome) -> None:
    """Write which unit tests took longer than `MOMENT`, for `make check` to leave out."""
    slow = set()
    for item, seconds in outcome.seconds.items():
        where, _, test = item.partition("::")
        if seconds > MOMENT and where.startswith("tests.") and not where.startswith("tests.site"):
            file, _, group = where.replace(".", "/").partition("/Test")
            slow.add("::".join([f"{file}.py", *([f"Test{group}"] if group else []), test.partition("[")[0]]))
    SLOW.write_text("\n".join(sorted(slow)) + "\n", encoding="utf-8")


def main() -> int:
    fast = "--fast" in sys.argv[1:]
    REPORTS.mkdir(parents=True, exist_ok=True)
    outcome = Outcome()
    start = time.monotonic()
    for stage in stages(fast):
        run(stage, outcome)
    if "--record" in sys.argv[1:]:
        record_slow(outcome)
    minutes, seconds = divmod(round(time.monotonic() - start), 60)
    print(f"\nThe ten slowest items of {minutes} min {seconds} s:")
    for item, duration in outcome.seconds.most_common(10):
        print(f"  {duration:6.1f} s  {item}")
    if fast:
        print("not run: the tests marked slow, the chapters, the book and its site: `make test` runs them")
    elif not os.environ.get("DRN_DATA"):
        print("not run: the passes on real data sets: DRN_DATA names no folder")
    for reason, count in outcome.not_run.items():
        print(f"not run: {reason}" + (f" ({count} tests)" if count > 1 else ""))
    if outcome.failures:
        print(f"failed: {', '.join(outcome.failures)}")
    print(f"{outcome.passed} passed, {outcome.failed} failed, {sum(outcome.not_run.values())} skipped")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
