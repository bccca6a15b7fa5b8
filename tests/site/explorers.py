"""What the tests of the explorers share: a server, the chapters' places, and the library's maps of a toy stack."""

from __future__ import annotations

import functools
import json
import threading
from http.server import ThreadingHTTPServer

import pytest
import torch
import torch.nn.functional as F

from book.explorers import data
from book.extensions import minify
from tests.site.test_browser import Handler

FOLDER = data.FOLDER
DATA = {
    kind: json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    for kind in ("receptive", "gridding", "threshold")
}
PAGES = {  # place -> chapter
    "receptive-01": "01_dilation_arithmetic",
    "receptive-02": "02_resnet_to_drn_a",
    "gridding-03": "03_gridding",
    "gridding-04": "04_degridding",
    "threshold-06": "06_localization",
}
MOST_BYTES = 60_000  # all explorers together, as the site has them
MOST_OF_A_PAGE = 50_000


def sizes(folder=FOLDER) -> dict[str, int]:
    """Bytes of each of the explorers' files in the built site, by name."""
    found = {}
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        if path.suffix in minify.SHRINK:
            found[path.name] = len(minify.small(path).encode())
        else:
            found[path.name] = path.stat().st_size
    return found


def serve(folder) -> ThreadingHTTPServer:
    """A server of the files in `folder`, on a free port; call its `shutdown()`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def modules(browser):
    """Runs a function of JavaScript, which is given the explorers' modules by name and one argument."""
    server = serve(FOLDER)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/gridding.json")
    names = "geometry networks lattice boxes threshold".split()
    imports = f"Promise.all({names}.map((name) => import(`/${{name}}.mjs`)))"

    def run(body: str, argument):
        function = f"async (argument) => {{ const [{', '.join(names)}] = await {imports}; {body} }}"
        return page.evaluate(function, argument)

    yield run
    page.close()
    server.shutdown()


def library_stages(start: torch.Tensor, layers: list[dict], wrap: bool) -> list[torch.Tensor]:
    """The map (28, 28) and what each layer [1, 2, 1] / 4 makes of it, in torch; a layer is {d, link}."""
    taps, maps = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64) / 4, [start]
    for layer in layers:
        d, x = layer["d"], maps[-1][None, None]
        padded = F.pad(x, (d,) * 4, mode="circular" if wrap else "constant")
        y = F.conv2d(F.conv2d(padded, taps.view(1, 1, 3, 1), dilation=d), taps.view(1, 1, 1, 3), dilation=d)
        maps.append((y + x if layer["link"] else y)[0, 0])
    return maps
