"""Run chapters again and store their outputs, two at a time: `python -m book.chapters.execute [FILE ...]`.

Chapters run without real data sets, as nbval compares them. What would differ from run to run (times, the version of
Python) is not stored, so a second run leaves the files as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from book import ROOT
from book.chapters.doors import metadata
from drn_lib.paths import replacing

FOLDER = ROOT / "notebooks"
TIMINGS = ROOT / "data" / "results" / "timings.json"
CELL_TIMEOUT = 300  # seconds
WORKERS = 2


def execute(path: Path, store: bool) -> tuple[float, str | None]:
    """Run one chapter and, with `store`, write it back; the seconds it took, and the error as text or None."""
    start, error = time.monotonic(), None
    notebook = nbformat.read(path, as_version=4)
    options = {"timeout": CELL_TIMEOUT, "kernel_name": "python3", "record_timing": False, "coalesce_streams": True}
    options["extra_arguments"] = ["--log-level=40"]  # a warning about local sockets at each start
    options["resources"] = {"metadata": {"path": str(path.parent)}}
    try:
        NotebookClient(notebook, **options).execute()
    except (CellExecutionError, CellTimeoutError) as raised:
        error = f"{path.name}: {raised}"
    if store and not error:
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        notebook.metadata = nbformat.from_dict(metadata(path.stem))
        text = nbformat.writes(notebook) + "\n"
        if text != path.read_text(encoding="utf-8"):
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
    seconds = time.monotonic() - start
    print(f"{path.name}: {'failed' if error else 'done'} in {seconds:.0f} s", flush=True)
    return seconds, error


def record(paths: list[Path], seconds: list[float]) -> None:
    """Write how long each chapter took, alone on this machine, into data/results/timings.json."""
    chapters = json.loads(TIMINGS.read_text())["chapters"] if TIMINGS.exists() else {}
    for path, duration in zip(paths, seconds, strict=True):
        chapters[path.name[:2]] = {"seconds": round(duration, 1), "device": "cpu", "threads": os.cpu_count()}
        chapters[path.name[:2]] |= {"torch": version("torch"), "python": platform.python_version()}
    with replacing(TIMINGS) as temporary:
        temporary.write_text(json.dumps({"chapters": dict(sorted(chapters.items()))}, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*", type=Path, help="notebooks (default: all)")
    parser.add_argument("--record", action="store_true", help="only record the times of this machine, one at a time")
    options = parser.parse_args()
    os.environ.pop("DRN_DATA", None)
    os.environ.update({"DRN_PROGRESS": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    if not options.record:
        os.environ["OMP_NUM_THREADS"] = "1"  # two chapters share two cores
    paths = [path.resolve() for path in options.chapters] or sorted(FOLDER.glob("*.ipynb"))
    # One kernel process a chapter; the threads here only wait for them.
    with ThreadPoolExecutor(1 if options.record else WORKERS) as pool:
        # With other numbers of threads the last digits of a picture may differ: a timed run stores no outputs.
        outcomes = list(pool.map(lambda path: execute(path, store=not options.record), paths))
    errors = [error for _, error in outcomes if error]
    for error in errors:
        print(error, file=sys.stderr)
    if options.record and not errors:
        record(paths, [seconds for seconds, _ in outcomes])
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
