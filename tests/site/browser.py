"""What the tests in Chromium share: a server, and a visit of one page that notes all that goes wrong."""

from __future__ import annotations

import functools
import json
import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from book.offline.pages import executable as executable
from tests import ROOT

SITE = ROOT / "_build" / "html"
WIDTHS = {"wide": {"width": 1440, "height": 900}, "narrow": {"width": 390, "height": 844}}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
PATIENCE = 120_000  # milliseconds; a busy machine is slow, not wrong

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
CONTRAST = ["color-contrast", "link-in-text-block"]
OTHER = {"runOnly": AXE_TAGS, "rules": {rule: {"enabled": False} for rule in CONTRAST}}
# Contrast takes four fifths of axe's time. Only it depends on the color scheme, and it is the same for all
# text of one style on one background: axe gets the first such element, every link, and all that is positioned.
STYLES = """(within) => {
  const styles = new Map(), first = new Map();
  const look = (node) => {
    if (!styles.has(node)) {
      const s = getComputedStyle(node), above = node.parentElement ? look(node.parentElement) : { ground: "" };
      const own = [s.backgroundColor, s.backgroundImage, s.opacity, s.filter, s.mixBlendMode].join();
      const placed = above.placed || !["static", "relative"].includes(s.position);
      const ground = above.ground + (own === "rgba(0, 0, 0, 0),none,1,none,normal" ? "" : "/" + own);
      styles.set(node, { placed, ground, text: [s.color, s.fontSize, s.fontWeight, s.textShadow].join() });
    }
    return styles.get(node);
  };
  for (const node of document.querySelectorAll(`:is(${within}) *`)) {
    const words = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
    if ((words || node.matches("input, select, textarea")) && node.checkVisibility()) {
      const { placed, ground, text } = look(node);
      const key = placed || node.matches("a") ? node : ground + text;
      if (!first.has(key)) first.set(key, node);
    }
  }
  return [...first.values()];
}"""
PART_VIEWS = (("wide", "light", "all"), ("narrow", "light", "other"), ("narrow", "dark", "contrast"))
"""How a part of a page that scripts made is looked at; `test_browser` looks at each whole page."""
# The theme's and docutils' own faults: rule of axe -> a part of the selector or of the element that it reports.
THEME_FAULTS = {
    "label-content-name-mismatch": ("search-button", "theme-switch-button"),
    "region": ("navbar-brand", "logo__image", "sidebar-primary-item"),
    "aria-allowed-role": ('class="citation"',),
    "aria-deprecated-role": ('class="citation"',),
    "aria-required-children": ('class="citation-list"',),
}
NAMES = """(all) => all.map((n) =>
  n.ariaLabel || [...(n.labels ?? [])].map((label) => label.textContent).join("") || n.textContent)"""
"""The name of each of some controls, as a screen reader says it."""
# Formulas are set after the load event; then fonts and layout follow.
SETTLED = """async () => {
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
  for (const _ of [1, 2]) await new Promise((done) => requestAnimationFrame(done));
}"""


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/favicon.ico":  # the host's own; a browser asks for it where a page names none
            return self.send_error(204)
        super().do_GET()


def serve(folder) -> ThreadingHTTPServer:
    """A server of the files in `folder`, on a free port; call its `shutdown()`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Visit:
    """One page, and all that went wrong while it loaded and was used."""

    def __init__(self, browser, address: str, width: str = "wide") -> None:
        self.address = address
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.context = browser.new_context(viewport=WIDTHS[width], color_scheme="light", reduced_motion="reduce")
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.note(request.url))
        self.page.on("response", lambda r: r.status >= 400 and self.problems.append(f"{r.status}: {r.url}"))
        self.page.on("pageerror", lambda error: self.problems.append(f"JavaScript error: {error}"))
        self.page.on("console", lambda m: m.type == "error" and self.problems.append(f"console error: {m.text}"))

    def note(self, url: str) -> None:
        self.requests.append(url.split("?")[0])
        if not url.startswith((self.address + "/", "data:", "blob:")):
            self.problems.append(f"request to another host: {url}")

    def open(self, name: str) -> None:
        self.page.goto(f"{self.address}/{name}", wait_until="load")
        self.page.evaluate(SETTLED)
        if self.page.locator(".math").count():
            self.page.wait_for_selector("mjx-container", state="attached")

    def set_view(self, width: str, scheme: str) -> None:
        self.page.set_viewport_size(WIDTHS[width])
        self.page.emulate_media(color_scheme=scheme)
        if self.page.url != "about:blank":
            self.page.wait_for_selector(f"html[data-theme={scheme}]", state="attached")

    def layout(self) -> list[str]:
        """What is wider than its room: the page, a table on a wide screen, a name in two lines."""
        return self.page.evaluate("""() => {
          const root = document.documentElement, all = (query) => [...document.querySelectorAll(query)];
          const wide = root.scrollWidth > root.clientWidth ? ["the page is wider than the window"] : [];
          const tables = all(".pst-scrollable-table-container").filter((box) => box.scrollWidth > box.clientWidth);
          const names = all("article .together").filter((name) => name.getClientRects().length > 1);
          return [...wide, ...(innerWidth > 999 ? tables : []).map((box) => "cut table: " + box.innerText.slice(0, 60)),
            ...names.map((name) => "in two lines: " + name.innerText)];
        }""")

    def accessibility(self, script: str, rules: str = "all", within: str = "html") -> list[str]:
        """What axe finds in the elements of a selector.

        Args:
            script: axe's own.
            rules: "contrast", "other" or "all".
            within: the selector.
        """
        self.page.evaluate(f"window.axe || (() => {{ {script} }})()")
        runs = []
        if rules != "contrast":
            runs.append((json.dumps(within), OTHER))
        if rules != "other":
            every = json.dumps(within)  # with DRN_WEEKLY=1 every element, else one of each style
            context = every if os.environ.get("DRN_WEEKLY") else f"{{ include: ({STYLES})({every}) }}"
            runs.append((context, {"runOnly": CONTRAST}))
        found = []
        for context, options in runs:
            # Without fetching style sheets again: no rule of these reads them.
            more = {**options, "resultTypes": ["violations"], "preload": {"assets": ["media"]}}
            for violation in self.page.evaluate(f"axe.run({context}, {json.dumps(more)})")["violations"]:
                for node in violation["nodes"]:
                    place = f"{' '.join(map(str, node['target']))}: {node['html'][:200]}"
                    if not any(part in place for part in THEME_FAULTS.get(violation["id"], ())):
                        found.append(f"{violation['id']}: {place}")
        return found

    def part_faults(self, script: str, within: str = "html") -> list[str]:
        """Layout of the page and accessibility of a part of it, in each of `PART_VIEWS`."""
        found = []
        for width, scheme, rules in PART_VIEWS:
            self.set_view(width, scheme)
            faults = self.layout() + self.accessibility(script, rules, within)
            found += [f"{width} {scheme}: {fault}" for fault in faults]
        return found
