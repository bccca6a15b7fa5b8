"""Prune and check the built site without a browser: `python -m book.site.check _build/html`.

Pruning deletes what no page asks for (source maps, MathJax's other bundles). The check reads every page and reports
dead local links and fragments, links to hosts that nobody listed, resources from other hosts, a policy that is missing
or does not fit, pictures without a text alternative, pages that are empty or too heavy. Exit status 1 on any problem.
It needs no test tools, as `make book` installs none.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from book.chapters.version import SITE
from book.extensions import policy

MAX_HTML_BYTES = 400_000
MAX_PAGE_BYTES = 1_500_000  # a page with its pictures, without the theme's files that every page shares
MIN_WORDS = 20
IMAGE_NAME = re.compile(r"\.(png|jpe?g|gif|svg|webp)$", re.IGNORECASE)
# tex-chtml.js loads its fonts and, where a formula asks for them, the extensions of TeX's input.
MATHJAX_KEPT = ("tex-chtml.js", "output/chtml/fonts", "input/tex/extensions")
LINKED_HOSTS = {
    "arxiv.org",
    "colab.research.google.com",
    "distill.pub",
    "doi.org",
    "github.com",
    "onnxruntime.ai",
    "www.kaggle.com",
}
"""A link to another host is a mistake, or the host belongs here."""
GENERATED = {"genindex.html", "search.html", "py-modindex.html"}


class Page(HTMLParser):
    """What one page holds: ids, links, resources, pictures, and the words of its article."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.images: list[tuple[str, str | None]] = []
        self.words = 0
        self.leads_to = ""  # where a page sends its reader at once
        self._article_depth = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        for key in ("id", "name"):
            if values.get(key):
                self.ids.add(values[key])
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag in ("img", "script", "source", "iframe", "video", "audio") and values.get("src"):
            self.resources.append(values["src"])
        if tag == "link" and values.get("href") and values.get("rel") != "canonical":
            self.resources.append(values["href"])
        if tag == "img":
            self.images.append((values.get("src") or "", values.get("alt")))
        if tag == "meta" and (values.get("http-equiv") or "").lower() == "refresh":
            self.leads_to = (values.get("content") or "").partition("url=")[2]
            self.links.append(self.leads_to)
        if tag == "article":
            self._article_depth += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._article_depth -= 1

    def handle_data(self, data: str) -> None:
        if self._article_depth:
            self.words += len(data.split())


def is_external(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme in ("http", "https")


def resolve(site: Path, page: Path, address: str) -> Path:
    """The file that an address on `page` means, relative or within the site's; a directory means its index.html."""
    path = unquote(urlsplit(address).path)
    inside = path.removeprefix(urlsplit(SITE).path) if path.startswith("/") else ""
    target = (site / inside.lstrip("/")) if path.startswith("/") else (page.parent / path if path else page)
    target = target.resolve()
    return target / "index.html" if target.is_dir() else target


def policy_problems(name: str, text: str, others: Iterable[str] = ()) -> list[str]:
    if policy.HEAD not in text:
        return [f"{name}: no Content-Security-Policy"]
    if f'{policy.HEAD} content="{policy.policy_of(text, others)}">' not in text:
        return [f"{name}: its Content-Security-Policy does not fit its scripts"]
    return []


def content_pages(site: Path) -> list[Path]:
    return sorted(p for p in site.rglob("*.html") if not {"_static", "_sources"} & set(p.relative_to(site).parts))


def image_problems(name: str, page: Page) -> list[str]:
    problems = []
    for source, alt in page.images:
        if not (alt or "").strip():
            problems.append(f"{name}: picture without alt text: {source[:80]}")
        elif IMAGE_NAME.search(alt.strip()):  # Sphinx falls back to the file's name
            problems.append(f"{name}: the alt text is a file name: {alt}")
    return problems


def link_problems(site: Path, path: Path, page: Page, pages: dict[Path, Page]) -> list[str]:
    name = path.relative_to(site)
    problems = []
    for address in page.links:
        parts = urlsplit(address)
        if is_external(address) and parts.hostname not in LINKED_HOSTS:
            problems.append(f"{name}: link to a host that is not in LINKED_HOSTS: {address}")
        if is_external(address) or parts.scheme or address == "#":
            continue
        target = resolve(site, path, address)
        if not target.is_file():
            problems.append(f"{name}: dead link: {address}")
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
            problems.append(f"{name}: dead fragment: {address}")
    return problems


def resource_problems(site: Path, path: Path, page: Page) -> list[str]:
    name = path.relative_to(site)
    problems = []
    weight = path.stat().st_size
    pictures = {source for source, _ in page.images}
    for address in page.resources:
        if address.startswith("data:"):
            continue
        if is_external(address):
            problems.append(f"{name}: resource from another host: {address}")
            continue
        target = resolve(site, path, address)
        if not target.is_file():
            problems.append(f"{name}: missing resource: {address}")
        elif address in pictures:
            weight += target.stat().st_size
    if weight > MAX_PAGE_BYTES:
        problems.append(f"{name}: {weight:,} bytes with its pictures, at most {MAX_PAGE_BYTES:,}")
    return problems


def site_problems(site: Path) -> list[str]:
    """Every problem of the built site as one line each; an empty list means that all is well."""
    site = site.resolve()
    paths = content_pages(site)
    if not paths:
        return [f"{site}: no page was built"]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    pages = {path: Page(text) for path, text in texts.items()}
    problems = []
    for path, page in pages.items():
        name = path.relative_to(site)
        size = path.stat().st_size
        if size > MAX_HTML_BYTES:
            problems.append(f"{name}: {size:,} bytes of HTML, at most {MAX_HTML_BYTES:,}")
        if not page.leads_to and path.name not in GENERATED and page.words < MIN_WORDS:
            problems.append(f"{name}: the page is empty ({page.words} words)")
        problems += policy_problems(str(name), texts[path], policy.read_by(path.name, texts.values()))
        problems += image_problems(str(name), page)
        problems += link_problems(site, path, page, pages)
        problems += resource_problems(site, path, page)
    return problems


def missing_pages(site: Path, table_of_contents: Path) -> list[str]:
    """The entries of the table of contents for which no page was built."""
    names = re.findall(r"(?:file|root):\s*([^\s,}]+)", table_of_contents.read_text(encoding="utf-8"))
    missing = [name for name in names if not (site / f"{name}.html").is_file()]
    return [f"{name}: in the table of contents, but not built" for name in missing]


def prune(site: Path) -> int:
    """Delete source maps and MathJax's unused bundles; returns the number of bytes freed."""
    mathjax = site / "_static" / "mathjax"
    unneeded = list(site.rglob("*.map"))
    if mathjax.is_dir():
        files = [p for p in mathjax.rglob("*") if p.is_file()]
        unneeded += [p for p in files if not p.relative_to(mathjax).as_posix().startswith(MATHJAX_KEPT)]
    freed = 0
    for path in unneeded:
        if path.is_file():  # a source map of MathJax stands in both lists
            freed += path.stat().st_size
            path.unlink()
    for folder in sorted((p for p in site.rglob("*") if p.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    return freed


def main() -> int:
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "_build/html")
    freed = prune(site)
    problems = missing_pages(site, Path(__file__).resolve().parents[1] / "_toc.yml") + site_problems(site)
    for problem in problems:
        print(problem)
    megabytes = sum(p.stat().st_size for p in site.rglob("*") if p.is_file()) / 1e6
    print(f"{len(content_pages(site))} pages, {megabytes:.1f} MB (without {freed / 1e6:.1f} MB that no page asks for)")
    print("no problem found" if not problems else f"problems found: {len(problems)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
