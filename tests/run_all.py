"""Run every check one after the other; `make test` calls it, `make check` with `--fast`.

Prints each stage with its time, then the ten slowest items, then one line for each thing that did not run and why.
Exit status 1 if any stage failed; a failed stage does not stop the later ones.
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
REPORTS = ROOT / "_build" / "reports"
PROSE = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "book", "notebooks", "drn_lib", "tests", "data"]
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


def stages(fast: bool) -> list[tuple[str, list[str], dict[str, str]]]:
    """Name, command and additional environment of each stage, in the order of running."""
    listed = [
        ("ruff", python("ruff", "check", "--quiet", "."), {}),
        ("codespell", python("codespell_lib", *(name for name in PROSE if (ROOT / name).exists())), {}),
    ]
    if fast:
        return [*listed, ("unit tests", python("pytest", "tests", "--ignore=tests/site", "-m", "not slow"), {})]
    listed += [
        ("unit tests", python("pytest", "tests", "--ignore=tests/site"), {}),
        ("chapters", python("pytest", "--nbval", "notebooks", *NBVAL), {}),
    ]
    if os.environ.get("DRN_DATA"):
        data = {"DRN_DATA": str(Path(os.environ["DRN_DATA"]).resolve())}
        listed.append(("chapters on real data", python("pytest", "--nbval-lax", "notebooks", *NBVAL), data))
    listed += [
        ("book", ["make", "--no-print-directory", "book"], {}),
        ("site", python("pytest", "tests/site", "--dist", "worksteal"), {}),
    ]
    return listed


def run(name: str, command: list[str], extra: dict[str, str], outcome: Outcome) -> None:
    """Run one stage and add what it did to `outcome`."""
    environment = dict(os.environ, DRN_PROGRESS="0", OMP_NUM_THREADS="1", PYDEVD_DISABLE_FILE_VALIDATION="1")
    if name != "unit tests":  # tests that want real data ask for it themselves; chapters are compared without
        environment.pop("DRN_DATA", None)
    environment.update(extra)
    report = None
    if "pytest" in command:
        report = REPORTS / f"{name.replace(' ', '-')}.xml"
        report.unlink(missing_ok=True)
        command = [*command, "-q", "--no-header", "-n", "2", f"--junitxml={report}"]
    print(f"== {name}", flush=True)
    start = time.monotonic()
    status = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode
    seconds = time.monotonic() - start
    print(f"== {name}: {'ok' if status == 0 else 'FAILED'}, {seconds:.0f} s", flush=True)
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


def main() -> int:
    fast = "--fast" in sys.argv[1:]
    REPORTS.mkdir(parents=True, exist_ok=True)
    outcome = Outcome()
    start = time.monotonic()
    for stage in stages(fast):
        run(*stage, outcome)
    minutes, seconds = divmod(round(time.monotonic() - start), 60)
    print(f"\nThe ten slowest items of {minutes} min {seconds} s:")
    for item, duration in outcome.seconds.most_common(10):
        print(f"  {duration:6.1f} s  {item}")
    if fast:
        print("not run: the tests marked slow, the chapters, the book and its site: `make test` runs them")
    elif not os.environ.get("DRN_DATA"):
        print("not run: the chapters on real data sets: DRN_DATA names no folder")
    for reason, count in outcome.not_run.items():
        print(f"not run: {reason}" + (f" ({count} tests)" if count > 1 else ""))
    if outcome.failures:
        print(f"failed: {', '.join(outcome.failures)}")
    print(f"{outcome.passed} passed, {outcome.failed} failed, {sum(outcome.not_run.values())} skipped")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
