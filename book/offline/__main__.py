"""Make the book's PDF and EPUB of the built site, and lead to them from it: `python -m book.offline _build/html`.

Both are written into the site, and the first page gets a sentence with their addresses where its source has a comment,
`<!-- offline:files -->`. A site that was built without them has no such sentence. Needs Chromium.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from book import ROOT
from book.offline import pages
from book.offline.epub import write_epub
from book.offline.printed import print_pdf
from book.site import check

TOC = ROOT / "book" / "_toc.yml"
NAME = "dilated-residual-networks"
MARKER = "<!-- offline:files -->"
OLD = re.compile(rf'(?<={MARKER})<p class="offline">.*?</p>')


def sentence(pdf: int, epub: int) -> str:
    """What leads to files of so many bytes."""
    links = (
        f'<a href="../{NAME}.{kind}">{words} ({size / 1e6:.0f} MB)</a>'
        for kind, words, size in (("pdf", "a PDF", pdf), ("epub", "an EPUB", epub))
    )
    return f'<p class="offline"><strong>Take it along.</strong> The whole book is {" and ".join(links)}.</p>'


def lead_there(site: Path) -> None:
    """Put the sentence into the first page.

    Raises:
        ValueError: the page has no place for it.
    """
    page = site / "book" / "index.html"
    text = OLD.sub("", page.read_text(encoding="utf-8"))
    if text.count(MARKER) != 1:
        raise ValueError(f"{page} has not one place for the files: {MARKER}")
    sizes = ((site / f"{NAME}.{kind}").stat().st_size for kind in ("pdf", "epub"))
    page.write_text(text.replace(MARKER, MARKER + sentence(*sizes)), encoding="utf-8")


def main(site: Path) -> int:
    """Write both files into a site; the exit status."""
    if pages.executable() is None:
        print("no Chromium here: install it (on Debian: apt-get install chromium), or name it in CHROMIUM")
        return 1
    with pages.browsing(site) as (browser, address):
        found = pages.read(browser, address, pages.contents(TOC))
        print_pdf(browser, address, found, site / f"{NAME}.pdf")
    write_epub(found, site, site / f"{NAME}.epub")
    lead_there(site)
    for kind in ("pdf", "epub"):
        path = site / f"{NAME}.{kind}"
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    problems = check.site_problems(site)
    print(*problems, sep="\n", end="\n" if problems else "")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
