"""A Sphinx extension: what lets a page be found and shared: its address, description, link preview, site map, 404 page.

The tags and files are written by sphinxext-opengraph, sphinx-sitemap and sphinx-notfound-page. This module tells them
the site's address, which follows from pyproject.toml, and the descriptions in `book/descriptions.yml`. It writes the
page at the site's address, robots.txt and llms.txt, a list of all pages in plain Markdown for programs that read.
"""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from book import ROOT
from book.chapters.version import SITE

LIBRARIES = ("sphinxext.opengraph", "sphinx_sitemap", "notfound.extension")
DESCRIPTIONS = ROOT / "book" / "descriptions.yml"
LOST = {
    "title": "This page is not here",
    "body": "<h1>This page is not here</h1><p>It may have moved. Search for it above, or start at "
    f'<a href="{urlsplit(SITE).path}book/index.html">the first page</a> of the book.</p>',
}
# Of the libraries' options, what is not their default; one copy here, as half of it follows from the address.
OPTIONS = {
    "html_baseurl": SITE,
    "ogp_site_url": SITE,
    "ogp_image": "_static/social.png",
    "ogp_image_alt": "A cup of espresso, and where one ImageNet network sees it: in 49 cells, and in 784 by two rules",
    "ogp_social_cards": {"enable": False},
    "ogp_custom_meta_tags": ['<meta name="twitter:card" content="summary_large_image">'],
    "sitemap_url_scheme": "{link}",
    "sitemap_excludes": ["search.html", "genindex.html", "404.html"],
    "notfound_urls_prefix": urlsplit(SITE).path,
    "notfound_context": LOST,
}


@cache
def descriptions() -> dict[str, str]:
    """What is said of each page, by its name without suffix."""
    return yaml.safe_load(DESCRIPTIONS.read_text(encoding="utf-8"))


def configure(app, config) -> None:
    """Set the options, before the libraries read them."""
    for name, value in OPTIONS.items():
        config[name] = value
    config.ogp_site_name = config.html_title or config.project


def describe(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Give a page its description, which the link preview shows too."""
    if doctree is not None and pagename in descriptions():
        text = descriptions()[pagename]
        context["meta"] = {**(context["meta"] or {}), "og:description": text}
        context["metatags"] += f'<meta name="description" content="{escape(text)}" />\n'


def write_lists(app, error: Exception | None) -> None:
    """Write the page at the site's address, robots.txt, which names the site map, and llms.txt."""
    if error is not None or app.builder.name != "html":
        return
    folder = Path(app.outdir)
    (folder / "index.html").write_text(front_page(), encoding="utf-8")
    (folder / "robots.txt").write_text(f"User-agent: *\nSitemap: {SITE}sitemap.xml\n", encoding="utf-8")
    titles = {name: title.astext() for name, title in app.env.titles.items()}
    first = app.config.root_doc
    lines = [f"# {titles[first]}", "", f"> {descriptions()[first]}", "", "## Pages", ""]
    for name in sorted(titles, key=lambda name: (not name.startswith("notebooks/"), name)):
        about = f": {descriptions()[name]}" if name in descriptions() else ""
        lines.append(f"- [{titles[name]}]({SITE}{name}.html){about}")
    sources = f"The source of a page, Markdown or a notebook, is at {SITE}_sources/, followed by its name and suffix."
    (folder / "llms.txt").write_text("\n".join([*lines, "", sources, ""]), encoding="utf-8")


def front_page() -> str:
    """The page at the site's address, which leads to the book's first one."""
    about = escape(descriptions()["book/index"])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Dilated Residual Networks</title>
<meta name="description" content="{about}"><meta property="og:title" content="Dilated Residual Networks">
<meta property="og:description" content="{about}"><meta property="og:image" content="{SITE}_static/social.png">
<link rel="canonical" href="{SITE}book/index.html"><link rel="icon" href="_static/favicon.svg">
<meta http-equiv="refresh" content="0; url=book/index.html"></head>
<body><p><a href="book/index.html">Dilated Residual Networks, chapter by chapter</a></p></body></html>
"""


def setup(app) -> dict:
    app.connect("config-inited", configure, priority=1)
    for library in LIBRARIES:
        app.setup_extension(library)
    app.connect("html-page-context", describe, priority=400)  # before opengraph, at 500
    app.connect(
        "build-finished", write_lists, priority=800
    )  # after Jupyter Book, which writes an index.html of its own
    return {"parallel_read_safe": True, "parallel_write_safe": True}
