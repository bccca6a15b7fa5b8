"""An EPUB 3 of the site's pages: one file of XHTML a page, formulas as MathML, and the pictures."""

from __future__ import annotations

import base64
import re
import uuid
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote

from book.chapters.version import SITE, VERSION
from book.offline.pages import Page
from book.offline.printed import TITLE

STYLE = Path(__file__).with_name("epub.css")
KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".svg": "image/svg+xml"}
CONTAINER = (
    '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" '
    'xmlns:epub="http://www.idpf.org/2007/ops" xml:lang="en" lang="en"><head><title>{title}</title>'
    '<link rel="stylesheet" type="text/css" href="epub.css"/></head><body>'
)


@dataclass
class Book:
    """What goes into the file."""

    texts: dict[str, str] = field(default_factory=dict)  # name in the file: XHTML
    pictures: dict[str, bytes] = field(default_factory=dict)
    properties: dict[str, list[str]] = field(default_factory=dict)  # of a text, as the package lists them


def file_of(name: str) -> str:
    """ "book/claims" -> "book-claims.xhtml"."""
    return f"{name.replace('/', '-')}.xhtml"


def bound(pages: list[Page], site: Path) -> Book:
    """The pages as texts that refer to each other, with their pictures."""
    book, files = Book(), {f"{page.name}.html": file_of(page.name) for page in pages}

    def lead(match: re.Match) -> str:
        page, _, fragment = match[1].partition("#")
        return f'href="{files[page]}{"#" + fragment if fragment else ""}"' if page in files else ""

    def picture(match: re.Match) -> str:
        source = unquote(match[1])
        if source in pngs:
            name, content = f"pictures/{Path(source).stem}.png", base64.b64decode(pngs[source])
        else:
            name, content = f"pictures/{Path(source).name}", (site / source).read_bytes()
        book.pictures[name] = content
        return f'src="{name}"'

    pngs = {source: png for page in pages for source, png in page.as_png.items()}
    for page in pages:
        text = re.sub(r'href="site:([^"]*)"', lead, page.xhtml)
        text = re.sub(r'(?<=\s)src="([^"]*)"', picture, text)
        # What an EPUB's XHTML does not know, and no reader of one needs.
        text = re.sub(r'\s(?:data-[\w-]+|tabindex|align|border|role|aria-[\w-]+|valign)="[^"]*"', "", text)
        name = file_of(page.name)
        book.texts[name] = f"{HEAD.format(title=escape(page.title))}{text}</body></html>"
        book.properties[name] = [kind for kind, tag in (("mathml", "<math"), ("svg", "<svg")) if tag in text]
    return book


def navigation(pages: list[Page]) -> str:
    """The table of contents."""
    entries = []
    for part, members in groupby(pages, key=lambda page: page.part):
        links = "".join(f'<li><a href="{file_of(page.name)}">{escape(page.title)}</a></li>' for page in members)
        entries.append(f"<li><span>{escape(part)}</span><ol>{links}</ol></li>" if part else links)
    head = HEAD.format(title="Contents")
    return f'{head}<nav epub:type="toc"><h1>Contents</h1><ol>{"".join(entries)}</ol></nav></body></html>'


def package(book: Book, made: datetime) -> str:
    """What is in the file, and in which order it is read."""
    items = ['<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>']
    items.append('<item id="style" href="epub.css" media-type="text/css"/>')
    for number, name in enumerate(book.texts):
        more = f' properties="{" ".join(book.properties[name])}"' if book.properties[name] else ""
        items.append(f'<item id="t{number}" href="{name}" media-type="application/xhtml+xml"{more}/>')
    for number, name in enumerate(book.pictures):
        items.append(f'<item id="i{number}" href="{name}" media-type="{KINDS[Path(name).suffix]}"/>')
    order = "".join(f'<itemref idref="t{number}"/>' for number in range(len(book.texts)))
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{SITE}{VERSION}")
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<package xmlns="http://www.idpf.org/2007/opf" version="3.0" '
        'unique-identifier="id" xml:lang="en"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="id">urn:uuid:{identity}</dc:identifier><dc:title>{TITLE}</dc:title>'
        "<dc:language>en</dc:language><dc:creator>The authors of the dilated residual networks book</dc:creator>"
        f'<meta property="dcterms:modified">{made:%Y-%m-%dT%H:%M:%SZ}</meta></metadata>'
        f"<manifest>{''.join(items)}</manifest><spine>{order}</spine></package>"
    )


def write_epub(pages: list[Page], site: Path, path: Path) -> None:
    """Write the pages of a built site to a file."""
    book = bound(pages, site)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)  # first, and not compressed
        file.writestr("META-INF/container.xml", CONTAINER)
        file.writestr("book.opf", package(book, datetime.now(UTC)))
        file.writestr("nav.xhtml", navigation(pages))
        file.writestr("epub.css", STYLE.read_text(encoding="utf-8"))
        for name, content in (book.texts | book.pictures).items():
            file.writestr(name, content)
