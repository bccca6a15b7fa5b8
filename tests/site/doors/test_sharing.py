"""What lets a page be found and shared, and what keeps it from loading or running anything else."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import yaml

from book.chapters.version import SITE
from book.extensions import policy, sharing
from tests import ROOT
from tests.site.browser import Visit, serve

DESCRIBED = yaml.safe_load(sharing.DESCRIPTIONS.read_text(encoding="utf-8"))
NAMES = re.findall(r"(?:file|root):\s*([^\s,}]+)", (ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))


class Head(HTMLParser):
    """The <meta> and <link> elements of a page: name, property or rel to content or href."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag in ("meta", "link") and (key := values.get("name") or values.get("property") or values.get("rel")):
            self.found.setdefault(key, values.get("content") or values.get("href") or "")


def test_descriptions_are_of_pages_that_exist_and_have_the_length_that_is_shown():
    assert set(DESCRIBED) <= set(NAMES)
    assert [name for name, text in DESCRIBED.items() if not 60 <= len(text) <= 200] == []
    assert len(set(DESCRIBED.values())) == len(DESCRIBED)


def test_every_page_has_its_address_a_description_and_a_preview(built):
    said = {}
    for name in NAMES:
        found = Head((built / f"{name}.html").read_text(encoding="utf-8")).found
        assert found["canonical"] == found["og:url"] == f"{SITE}{name}.html"
        assert found["og:image"] == f"{SITE}_static/social.png" and found["og:image:alt"] and found["og:title"]
        assert found["description"] == found["og:description"] == DESCRIBED.get(name, found["description"])
        said[name] = found["description"]
    assert min(map(len, said.values())) >= 40 and len(set(said.values())) == len(said)
    assert (built / "_static" / "social.png").is_file()


def test_the_site_map_names_every_page_and_robots_name_it(built):
    places = [place.text for place in ElementTree.parse(built / "sitemap.xml").iter() if place.tag.endswith("loc")]
    assert {f"{SITE}{name}.html" for name in NAMES} <= set(places)
    assert (built / "robots.txt").read_text().endswith(f"Sitemap: {SITE}sitemap.xml\n")
    listed = (built / "llms.txt").read_text(encoding="utf-8")
    assert all(f"({SITE}{name}.html)" in listed for name in NAMES)


def test_the_first_address_leads_to_the_book(built):
    html = (built / "index.html").read_text(encoding="utf-8")
    assert "url=book/index.html" in html and policy.HEAD in html and Head(html).found["description"]


def test_a_page_that_is_not_there_is_whole_at_any_depth(browser, built, tmp_path):
    """Served below the path of the site, as GitHub does for every address that does not exist."""
    path = sharing.urlsplit(SITE).path.strip("/")
    (tmp_path / path).symlink_to(built, target_is_directory=True)
    server = serve(tmp_path)
    address = f"http://127.0.0.1:{server.server_port}"
    seen = Visit(browser, address)
    html = (built / "404.html").read_text(encoding="utf-8")
    seen.page.route("**/gone/**", lambda route: route.fulfill(body=html, content_type="text/html"))
    seen.page.goto(f"{address}/{path}/some/gone/page.html", wait_until="load")
    assert seen.page.locator(".bd-article h1").inner_text() == sharing.LOST["title"] and seen.problems == []
    seen.page.get_by_role("link", name="the first page").click()
    seen.page.wait_for_url(f"{address}/{path}/book/index.html")
    seen.context.close()
    server.shutdown()


# The policy


def test_the_policy_names_what_is_in_the_page():
    page = (
        '<meta charset="utf-8"><script>one()</script><script src="x.js"></script>'
        '<script type="application/json">{}</script><button onclick="two(&quot;x&quot;)">x</button>'
    )
    found = policy.policy_of(page)
    assert policy.source("one()") in found and policy.source('two("x")') in found and found.count("sha256") == 2
    assert "'unsafe-hashes'" in found and "'unsafe-inline'" not in found.partition("style-src")[0]
    assert "'unsafe-hashes'" not in policy.policy_of('<meta charset="utf-8">')
    guarded = policy.protected(page)
    assert guarded.index(policy.HEAD) < guarded.index("<script") and policy.protected(guarded) == guarded
    with pytest.raises(ValueError, match="meta charset"):
        policy.protected("<p>x</p>")


def test_what_was_not_in_a_page_neither_runs_nor_is_fetched(browser, built, tmp_path):
    """A chapter with a foreign script, an inline script and a handler put in after it was built."""
    name = "notebooks/01_dilation_arithmetic.html"
    html = (built / name).read_text(encoding="utf-8")
    planted = (
        "<script>window.planted = 1</script><img src='x:' onerror='window.planted = 2' alt='x'>"
        "<script src='http://127.0.0.1:9/x.js'></script><iframe src='http://127.0.0.1:9/'></iframe>"
    )
    server = serve(built)
    address = f"http://127.0.0.1:{server.server_port}"
    seen = Visit(browser, address)
    changed = html.replace("</body>", f"{planted}</body>")
    seen.page.route(f"**/{name}", lambda route: route.fulfill(body=changed, content_type="text/html"))
    seen.page.add_init_script(
        "window.stopped = []; addEventListener('securitypolicyviolation', (e) => stopped.push(e.effectiveDirective))"
    )
    seen.page.goto(f"{address}/{name}", wait_until="load")
    tried = "fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'stopped')"
    assert seen.page.evaluate(tried) == "stopped" and seen.page.evaluate("window.planted") is None
    stopped = seen.page.evaluate("window.stopped")
    assert {"script-src-elem", "script-src-attr", "img-src", "frame-src", "connect-src"} <= set(stopped), json.dumps(
        stopped
    )
    seen.context.close()
    server.shutdown()


def test_the_themes_own_buttons_work_under_it(in_book):
    in_book.open("notebooks/01_dilation_arithmetic.html")
    page = in_book.page
    before = page.evaluate("document.documentElement.dataset.theme")
    page.locator(".theme-switch-button").first.evaluate("(button) => button.click()")
    page.wait_for_function("(before) => document.documentElement.dataset.theme !== before", arg=before)
    page.evaluate("window.print = () => { window.printed = true }")
    page.locator("[onclick='window.print()']").first.evaluate("(button) => button.click()")
    page.wait_for_function("window.printed")
    assert in_book.problems == []
