"""Fetch what the built pages take from npm: `python -m book.site.fetch`, a step of `make book`."""

from __future__ import annotations

import sys

from book.live import files as live
from book.npm import Unavailable
from book.running import files as running


def main() -> int:
    """Fetch; where that fails say so in a line and continue, since the book can do without."""
    wanted = (
        (live.RUNTIME, "The live page will show stored pictures"),
        (running.PYTHON, "No code runs in the pages"),
    )
    for package, without in wanted:
        try:
            package.fetch()
        except Unavailable as error:
            print(f"{without}: {error}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
