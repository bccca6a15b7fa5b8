"""Compile the C++ kernel with sanitizers and call it with shapes drawn at random: it must stay within its arrays.

    python -m tests.checks.kernel --rounds 300 --seed 0        about a minute

For this processor and for one that has AVX2 only. The first read or write beyond an array, and whatever C++ leaves
undefined, ends it with the sanitizer's report and status 1.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from drn_lib.fast.build import SOURCES
from drn_lib.fast.matrices import header

CALLS = Path(__file__).with_name("calls.cpp")
OPTIONS = ["-std=c++17", "-O1", "-g", "-fopenmp", "-fsanitize=address,undefined"]
PROCESSORS = (["-march=native"], ["-mavx2", "-mfma"])


def check(processor: list[str], rounds: int, seed: int, sources: Path = SOURCES) -> subprocess.CompletedProcess:
    """Compile and run; what it said, and its status: 0 where nothing was found."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "matrices.h").write_text(header())
        program = Path(folder, "calls")
        compiler = shlex.split(os.environ.get("CXX") or "c++")
        files = [str(CALLS), *map(str, sorted(sources.glob("*.cpp")))]
        subprocess.run([*compiler, *OPTIONS, *processor, f"-I{folder}", *files, "-o", str(program)], check=True)
        environment = {**os.environ, "UBSAN_OPTIONS": "halt_on_error=1", "ASAN_OPTIONS": "detect_leaks=0"}
        command = [str(program), str(rounds), str(seed)]
        return subprocess.run(command, env=environment, text=True, capture_output=True)


def main() -> int:
    """Check both; 1 where something was found."""
    parser = argparse.ArgumentParser(description="Call the kernel with sanitizers.")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    status = 0
    for processor in PROCESSORS:
        done = check(processor, options.rounds, options.seed)
        print(*processor, (done.stdout + done.stderr).strip(), sep=": ", flush=True)
        status = status or int(done.returncode != 0)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
