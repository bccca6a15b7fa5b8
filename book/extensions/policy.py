"""A Content-Security-Policy for every page of the built site, as a <meta> element, since GitHub Pages sends no headers.

A page may load only from its own host, and run only the scripts that were in it when it was built: each inline script
and each inline handler of the theme is named by its hash. So nothing that finds its way into a page later can run or
call home. Style stays open to inline rules, which MathJax and the notebooks' tables write. 'wasm-unsafe-eval' lets
onnxruntime and Python run, which are WebAssembly.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from html import unescape
from pathlib import Path

SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL | re.IGNORECASE)
HANDLER = re.compile(r"<[a-z][^>]*?\son[a-z]+=\"([^\"]*)\"", re.IGNORECASE)
CHARSET = re.compile(r"<meta charset=[^>]*>", re.IGNORECASE)
HEAD = '<meta http-equiv="Content-Security-Policy"'
RULES = {
    "default-src": "'none'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    "worker-src": "'self' blob:",
    "form-action": "'self'",
    "base-uri": "'none'",
}


def source(code: str) -> str:
    """How a policy names a script: the SHA-256 of its text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def handlers_in(html: str) -> list[str]:
    """The inline handlers of a page."""
    return [unescape(code) for code in HANDLER.findall(SCRIPT.sub("", html))]


def read_by(name: str, pages: Iterable[str]) -> list[str]:
    """The handlers of all pages, for the search page, which reads them; none for every other page."""
    return sorted({code for page in pages for code in handlers_in(page)}) if name == "search.html" else []


def policy_of(html: str, others: Iterable[str] = ()) -> str:
    """The policy under which a page works as it was built and does nothing else.

    `others` are handlers of pages that it reads: the search page parses them under its own policy.
    """
    inline = [code for about, code in SCRIPT.findall(html) if "src=" not in about and "json" not in about]
    handlers = [*handlers_in(html), *others]
    allowed = ["'self'", "'wasm-unsafe-eval'", *(["'unsafe-hashes'"] if handlers else [])]
    allowed += dict.fromkeys(source(code) for code in [*inline, *handlers])
    return "; ".join([f"script-src {' '.join(allowed)}", *(f"{name} {value}" for name, value in RULES.items())])


def protected(html: str, others: Iterable[str] = ()) -> str:
    """The page with its policy (`policy_of`), before anything that it loads; a page that has one stays as it is.

    Raises:
        ValueError: the page does not say which characters it is written in, after which the policy stands.
    """
    if HEAD in html:
        return html
    if not (charset := CHARSET.search(html)):
        raise ValueError("a page without <meta charset> has no place for its policy")
    return f'{html[: charset.end()]}\n{HEAD} content="{policy_of(html, others)}">{html[charset.end() :]}'


def protect(site: Path) -> None:
    """Give every page below a folder its policy."""
    pages = [page for page in site.rglob("*.html") if "_static" not in page.relative_to(site).parts]
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    for page, text in texts.items():
        if (guarded := protected(text, read_by(page.name, texts.values()))) != text:
            page.write_text(guarded, encoding="utf-8")


def setup(app) -> dict:
    def finish(app, error: Exception | None) -> None:
        if error is None and app.builder.name == "html":
            protect(Path(app.outdir))

    app.connect("build-finished", finish, priority=900)  # after all that writes pages
    return {"parallel_read_safe": True, "parallel_write_safe": True}
