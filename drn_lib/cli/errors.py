"""What a command says where something goes wrong: one sentence, whatever was raised. No torch."""

from __future__ import annotations

import io
import os
import re
import select
import sys
import traceback

PLAIN = (ImportError, ValueError, OSError, RuntimeError)
"""Errors whose own words are a sentence for a user; of others the type is named too."""
ODD = (RecursionError, NotImplementedError, UnicodeError)
"""Subclasses of those types that are mistakes in the code."""
UNSAFE = re.compile(
    r"Weights only load failed|[Rr]e-?run(ning)? `?torch\.load|`weights_only|weights_only=|In PyTorch 2\.6"
)
"""How torch's advice begins to read a file in a way that runs code in it: never repeated."""


def sentence_of(error: BaseException) -> str:
    """An error in one line: its first one, or its type where it has no words."""
    kind = type(error).__name__
    try:
        text = str(error)
        if isinstance(error, OSError) and error.strerror and str(error).startswith("[Errno"):
            text = f"{error.filename}: {error.strerror}" if error.filename is not None else str(error.strerror)
    except Exception:  # the error's own method fails
        text = ""
    if unsafe := UNSAFE.search(text):
        text = text[: unsafe.start()].rstrip(" (:;,.") or "a file is damaged, or holds more than tensors"
    text = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if isinstance(error, MemoryError) and not text:
        text = "there is not enough memory"
    elif not text or not isinstance(error, PLAIN) or isinstance(error, ODD):
        text = f"{kind}{': ' if text else ''}{text}; set DRN_DEBUG=1 to see where"
    return text


def tell(error: BaseException, command: str, advice: str = "") -> None:
    """Print the sentence about an error, and under DRN_DEBUG=1 where it was raised."""
    if os.environ.get("DRN_DEBUG") == "1":
        traceback.print_exception(error)
    print(f"{command}: {sentence_of(error)}{advice}", file=sys.stderr)


def reader_has_gone() -> bool:
    """Whether the reader of the output has gone (`| head`); then nothing more is printed, not even at exit."""
    try:
        sys.stdout.flush()
        pipe = select.poll()  # an output without a buffer has nothing left to fail on
        pipe.register(sys.stdout.fileno(), 0)
        gone = any(event & select.POLLERR for _, event in pipe.poll(0))
    except (AttributeError, io.UnsupportedOperation):  # no such system, or an output that is no file
        return False
    except OSError as error:
        gone = isinstance(error, BrokenPipeError)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone
