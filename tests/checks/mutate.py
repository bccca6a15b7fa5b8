"""Change random lines of the code, one at a time, and count how many of the changes some test notices.

    python -m tests.checks.mutate --count 100 --seed 0 [--workers 2] [--only drn_lib/costs.py] [--fast]

Works on a copy of the checkout in a temporary folder. A first run of the tests tells which of them reach which line;
for each change those run, the fastest first, then the other tests of the same files and module, until one fails. The
parent imports torch once and forks for each change. Exit status 1 where fewer than 90 of 100 changes are noticed.
Changes that make no difference stand in equivalent.txt with the reason; they are shown and not counted.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

import pytest

from tests import ROOT
from tests.checks.mutations import Mutation, mutation, places

CODE = ("drn_lib", "book/studies", "book/numbers")
TESTS = ("tests/library", "tests/book")
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
WANTED = 0.9
HEAVY = ["torch", "torchvision", "numpy", "scipy.stats", "skimage.draw", "PIL.Image", "safetensors.torch", "onnx"]
HEAVY += "onnxruntime hypothesis yaml jsonschema requests matplotlib.pyplot torch.utils.flop_counter".split()
MEMORY = 24 << 30  # bytes of addresses that the tests of one change may ask for


def sample(root: Path, count: int, seed: int, only: list[str]) -> list[Mutation]:
    """One change on each of `count` lines. The lines of all modules in a row are cut in equal parts, one from each."""
    files = only or sorted(str(path.relative_to(root)) for part in CODE for path in (root / part).rglob("*.py"))
    by_line = defaultdict(list)
    for file in files:
        for place in places(root, file):
            by_line[file, place.line].append(place)
    lines, chosen = [by_line[line] for line in sorted(by_line)], random.Random(seed)
    count = min(count, len(lines))
    edges = [len(lines) * part // count for part in range(count + 1)]
    drawn = []
    for low, high in zip(edges, edges[1:]):
        line = lines[chosen.randrange(low, high)]
        tries = (mutation(root, place) for place in chosen.sample(line, len(line)))
        drawn.append(next((one for one in tries if one), None))
    return [one for one in drawn if one]


class Recorder:
    """A plugin of pytest: notes which lines each test runs, how long it takes and whether it passes."""

    def __init__(self, coverage):
        self.coverage, self.seconds, self.failed = coverage, Counter(), []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.coverage.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] += report.duration
        if not report.passed:
            self.failed.append(report.nodeid)


class Only:
    """A plugin of pytest: runs these tests in this order, and writes down the first that fails."""

    def __init__(self, tests: list[str], note: Path):
        self.tests, self.note = tests, note

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        there = {item.nodeid: item for item in items}
        items[:] = [there[test] for test in self.tests if test in there]

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.note.write_text(report.nodeid, encoding="utf-8")


def copy_checkout(folder: Path) -> None:
    names = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(names, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def start(tree: Path, work) -> int:
    """A forked child in a session of its own that calls `work` in the copy `tree` and ends with what it returns."""
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.chdir(tree)
        log = os.open(tree.with_suffix(".log"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "drn_lib", "book")]:
            del sys.modules[name]
        sys.path[:] = [str(tree), *(path for path in sys.path if path not in ("", str(ROOT)))]
        status = int(work())
    finally:
        os._exit(status)


def record(tree: Path, into: Path, fast: bool) -> int:
    """Run all tests once, in a child: the tests by line and module, and their seconds, as JSON."""
    import coverage

    measured = coverage.Coverage(data_file=None, source=[str(tree / part) for part in CODE], config_file=False)
    measured.start()
    recorder = Recorder(measured)
    marker = ["-m", "not slow"] if fast else []
    pytest.main([*TESTS, "-q", *marker], plugins=[recorder])
    measured.stop()
    data, reached = measured.get_data(), {}
    for file in data.measured_files():
        lines = data.contexts_by_lineno(file)
        reached[str(Path(file).relative_to(tree))] = {line: [t for t in tests if t] for line, tests in lines.items()}
    seconds = {test: took for test, took in recorder.seconds.items() if test not in recorder.failed}
    into.write_text(json.dumps({"reached": reached, "seconds": seconds, "failed": recorder.failed}))
    return 0


def order(one: Mutation, known: dict, longest: float) -> list[list[str]]:
    """Two lists of tests: those that reach the line, then those that reach the module, import it or stand beside these.

    What is computed when a module is imported, a table or a default, no test reaches by itself.
    """
    lines, seconds = known["reached"].get(one.file, {}), known["seconds"]
    line = one.line  # in the middle of a statement it may be the beginning that is known
    while line and str(line) not in lines:
        line -= 1
    first = {test for test in lines.get(str(line), ()) if test in seconds}
    near = {test for tests in lines.values() for test in tests if test in seconds}
    files = {test.partition("::")[0] for test in first | near} | importers(one.file)
    near |= {test for test in seconds if test.partition("::")[0] in files}
    lists = []
    for tests in (first, near - first):
        left, chosen = longest, []
        for test in sorted(tests, key=lambda test: (seconds[test], test)):
            left -= seconds[test]
            if left > 0 or not chosen:
                chosen.append(test)
        lists.append(chosen)
    return lists


@cache
def importers(file: str) -> set[str]:
    """The files of tests that import a module by its name."""
    module, found = file.removesuffix(".py").replace("/", "."), set()
    for path in (path for part in TESTS for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", ()) if isinstance(alias, ast.alias)]
            home = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            found |= {str(path.relative_to(ROOT))} if module in [home[:-1], *(home + name for name in names)] else set()
    return found


def try_one(one: Mutation, folder: Path, known: dict, longest: float) -> dict:
    """What became of one change: "caught" with the test that failed, or "survived".

    A test that fails on the unchanged code too, after the same tests, tells nothing: it is named and left out.
    """
    tree = folder / str(os.getpid())  # each worker has a copy of its own
    if not tree.exists():
        shutil.copytree(folder / "tree", tree, copy_function=shutil.copy2)
    result = {**asdict(one), "outcome": "survived", "by": None, "unsteady": []}
    del result["source"]
    seconds = known["seconds"]
    for tests in filter(None, order(one, known, longest)):
        while tests and (by := failing(tree, tests, seconds, one)):
            until = tests[: tests.index(by) + 1] if by in tests else tests
            if not failing(tree, until, seconds):
                return {**result, "outcome": "caught", "by": by}
            result["unsteady"].append(by)
            tests = [test for test in tests if test != by] if by in tests else []
    return result


def failing(tree: Path, tests: list[str], seconds: dict, one: Mutation | None = None) -> str | None:
    """The first of these tests that fails in a child, "time" or "no start"; None where all pass."""
    note = tree.with_suffix(".note")
    note.unlink(missing_ok=True)
    files = sorted({test.partition("::")[0] for test in tests})

    def work() -> int:
        sys.dont_write_bytecode = True
        return pytest.main([*files, "-x", "-q", "-p", "no:randomly"], plugins=[Only(tests, note)])

    limit = 3 * sum(seconds[test] for test in tests) + 30
    with changed(tree, one):
        status = wait(start(tree, work), limit)
        if status is None:  # the machine may have been busy
            status = wait(start(tree, work), 4 * limit)
    if status == 0:
        return None
    return note.read_text(encoding="utf-8") if note.exists() else "time" if status is None else "no start"


@contextmanager
def changed(tree: Path, one: Mutation | None) -> Iterator[None]:
    """Within it the change stands in the tree."""
    if one is None:
        yield
        return
    target = tree / one.file
    kept, original = target.stat(), target.read_bytes()
    target.write_text(one.source, encoding="utf-8")
    os.utime(target, (time.time(), kept.st_mtime + random.randrange(10**4, 10**8)))  # no stored bytecode fits
    try:
        yield
    finally:
        target.write_bytes(original)
        os.utime(target, ns=(kept.st_atime_ns, kept.st_mtime_ns))


def wait(child: int, limit: float) -> int | None:
    """The child's exit status, None where it ran past the limit; nothing of it stays."""
    end, status = time.monotonic() + limit, None
    while time.monotonic() < end:
        done, code = os.waitpid(child, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(code)
            break
        time.sleep(0.02)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if status is None:
        os.waitpid(child, 0)
    return status


def equivalents() -> dict[tuple[str, str, str], str]:
    """Changes that make no difference: (file, before, after) to the reason. Four lines each, then an empty one."""
    blocks = EQUIVALENT.read_text(encoding="utf-8").split("\n\n") if EQUIVALENT.exists() else []
    lines = [[line for line in block.splitlines() if not line.startswith("#")] for block in blocks]
    return {tuple(block[:3]): block[3] for block in lines if len(block) == 4}


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="these files alone")
    parser.add_argument("--fast", action="store_true", help="without the tests that are marked slow")
    parser.add_argument("--seconds", type=float, default=60.0, help="of tests, as long as they take unchanged")
    parser.add_argument("--map", type=Path, help="which tests reach which line, kept in this file")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "mutate.json")
    return parser.parse_args()


def main() -> int:
    options = parsed()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", DRN_PROGRESS="0")
    for name in HEAVY:
        importlib.import_module(name)
    folder = Path(tempfile.mkdtemp(prefix="mutate-"))
    try:
        (folder / "tree").mkdir()
        os.environ.update(DRN_CACHE=str(folder / "cache"), TMPDIR=str(folder))
        copy_checkout(folder / "tree")
        chosen = sample(folder / "tree", options.count, options.seed, options.only)
        reached = options.map or folder / "map.json"
        if not reached.exists():
            print("the tests run once, to see what each reaches ...", flush=True)
            wait(start(folder / "tree", lambda: record(folder / "tree", reached, options.fast)), 7200)
        known = json.loads(reached.read_text(encoding="utf-8"))
        for test in known["failed"]:
            print(f"left out, for it fails or is skipped unchanged: {test}")
        results, reasons = [], equivalents()
        work = partial(try_one, folder=folder, known=known, longest=options.seconds)
        # Its workers, unlike those of a Pool, may have children: some tests start processes.
        with ProcessPoolExecutor(options.workers, multiprocessing.get_context("fork")) as pool:
            for future in as_completed([pool.submit(work, one) for one in chosen]):
                result = future.result()
                reason = reasons.get((result["file"], result["before"], result["after"]))
                if reason and result["outcome"] == "survived":
                    result |= {"outcome": "equivalent", "reason": reason}
                results.append(result)
                print(told(result), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    counts = Counter(result["outcome"] for result in results)
    tried = counts["caught"] + counts["survived"]
    print(f"\n{tried} tried, {counts['caught']} caught, {counts['survived']} survived; ", end="")
    print(f"{counts['equivalent']} that make no difference are not counted")
    return 0 if counts["caught"] >= WANTED * tried else 1


def told(result: dict) -> str:
    by = f" by {result['by']}" if result["by"] else f": {result['reason']}" if "reason" in result else ""
    lines = [f"{result['outcome']}{by}: {result['file']}:{result['line']}"]
    lines += [f"    fails on the unchanged code too: {test}" for test in result["unsteady"]]
    if result["outcome"] != "caught":
        lines += [f"    {result['before']}", f"    {result['after']}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
