"""What all commands share: errors as one sentence."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

PATIENCE = 30.0
"""Seconds in which torchrun has ended a process that waits for it."""


def run(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None, resumable: Sequence[str] | None = None
) -> int:
    """Parse and carry out a command; 0 where it went well. User errors are reported in one line, without a traceback.

    Args:
        parser: sets `function`, which takes the options, and perhaps `command`, the name of a subcommand.
        arguments: of the command line; those of this process where it is None.
        resumable: the subcommands that resume where they stopped; None where the command has none and does.
    """
    said, resumes = parser.prog, False
    try:
        options = parser.parse_args(arguments)
        command = getattr(options, "command", None)
        said = f"{parser.prog} {command}" if command else parser.prog
        resumes = resumable is None or command in resumable
        options.function(options)
    except (ImportError, ValueError, OSError, RuntimeError) as error:
        advice = f"; run `make lab` once, then use .venv/bin/{parser.prog} …"  # `make book` installs no torch
        if (process := _process(error)) is not None:
            print(f"{said}{process}: {error}{advice if isinstance(error, ImportError) else ''}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"stopped; the same command {'goes on from here' if resumes else 'starts again'}", file=sys.stderr)
        return 130
    return 0


def _process(error: Exception) -> str | None:
    """The process that the sentence about an error names, empty where it names none; None where another one says it.

    Before the processes of a training join, what a user can mend goes wrong in all of a machine alike, and the first
    says it. A RuntimeError may be one process's own: a GPU that is not there for it.
    """
    if getattr(error, "silent", False):
        return None
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ""
    process = f" (process {os.environ.get('RANK', '?')})"
    torch = sys.modules.get("torch")
    joined = torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized()
    if joined or isinstance(error, RuntimeError):
        return process
    if os.environ.get("LOCAL_RANK", "0") == "0":
        return ""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    time.sleep(PATIENCE)  # torchrun ends all as soon as one has ended: the first one must have spoken by then
    return process
