"""The pages of the built site as a browser reads them, in the order of the table of contents."""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

READ = Path(__file__).with_name("read.js")
KEPT = ("document", "mathjax", "font", "stylesheet")
"""What a page may load while it is read: formulas are set, and everything else stays as it was built."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
PATIENCE = 300_000  # milliseconds


@dataclass(frozen=True)
class Page:
    """An article of the site, by its name, "book/claims", with what `read.js` says of it."""

    name: str
    part: str  # of the table of contents, empty for the first page
    title: str
    html: str
    xhtml: str
    sheets: list[str]
    formulas: str
    as_png: dict[str, str]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


def executable() -> str | None:
    """The browser of this machine, or None."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def browsing(site: Path) -> Iterator[tuple[Any, str]]:
    """A browser, and the address at which it finds the site."""
    from playwright.sync_api import sync_playwright

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        yield browser, f"http://127.0.0.1:{server.server_port}"
        browser.close()
    server.shutdown()


def contents(toc: Path) -> list[tuple[str, str]]:
    """The pages of a table of contents: (part, name)."""
    said = yaml.safe_load(toc.read_text(encoding="utf-8"))
    parts = [("", [{"file": said["root"]}]), *((part["caption"], part["chapters"]) for part in said["parts"])]
    return [(caption, chapter["file"]) for caption, chapters in parts for chapter in chapters]


def read(browser: Any, address: str, listed: list[tuple[str, str]]) -> list[Page]:
    """The pages, read one after the other."""
    tab = browser.new_page(color_scheme="light")
    tab.set_default_timeout(PATIENCE)

    def only_formulas(route: Any) -> None:
        request = route.request
        wanted = request.resource_type in KEPT or "/mathjax/" in request.url or request.url.endswith(".webp")
        route.continue_() if wanted else route.abort()

    tab.route("**/*", only_formulas)
    found = []
    for part, name in listed:
        tab.goto(f"{address}/{name}.html", wait_until="load")
        found.append(Page(name, part, **tab.evaluate(READ.read_text(encoding="utf-8"))))
    tab.close()
    return found
