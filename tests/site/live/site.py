"""What the tests of the live page and its measurement share: a small site with the page alone, visited and asked."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import torch

from book.extensions import live as live_page
from book.live import files
from drn_lib.gridding import grid_contrast
from tests.site.browser import Visit
from tests.site.explorers import words as words_of

FIRST = "ol.names li"  # an answer is shown
PAGE = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>A page</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="../_static/explorers/explorers.css">
<link rel="stylesheet" href="../_static/live/live.css">
<script type="module" src="../_static/live/start.mjs"></script></head><body><main>{figure}</main></body></html>"""

# Starts the page's own Worker, hands it pictures and returns what it answers, without the page around it.
ASK = """async ({ worker, networks, pictures }) => {
  const made = new Worker(worker, { type: "module" });
  const ask = (message) => new Promise((resolve, reject) => {
    made.onmessage = ({ data }) => {
      if (data.kind === "error") reject(new Error(data.sentence));
      else if (data.kind !== "progress") resolve(data);
    };
    made.postMessage(message);
  });
  await ask({ kind: "load", networks });
  const found = [];
  for (const { size, pixels } of pictures) {
    const bytes = Uint8ClampedArray.from(atob(pixels), (letter) => letter.charCodeAt(0));
    found.push((await ask({ kind: "run", id: 0, size, pixels: bytes })).answers);
  }
  made.terminate();
  const plain = (answer) => ({ ...answer,
    scores: { ...answer.scores, values: [...answer.scores.values] },
    levels: answer.levels.map((level) => ({ ...level, values: [...level.values] })) });
  return found.map((answers) => answers.map(plain));
}"""


def write_site(root: Path, live: files.Live) -> Path:
    """A site that has the live page alone, in a sub-folder of a host as a project's site; the page's path."""
    static = root / "some" / "folder" / "_static"
    (static / "live").mkdir(parents=True)
    (static / "explorers").symlink_to(live_page.FOLDER.parent / "explorers", target_is_directory=True)
    for path in live_page.FOLDER.iterdir():
        (static / "live" / path.name).symlink_to(path)
    for name, content in live.files.items():
        (static / "live" / name).write_bytes(content)
    page = static.parent / "book" / "live.html"
    page.parent.mkdir()
    page.write_text(PAGE.format(figure=live_page.figure(live, "../")), encoding="utf-8")
    return page


def start(browser, address: str) -> SimpleNamespace:
    """The page before the click, in a context of its own, with a list of the files it asks for."""
    seen = Visit(browser, address.split("/some/")[0])
    seen.page.goto(address, wait_until="load")
    return SimpleNamespace(seen=seen, page=seen.page, figure=seen.page.locator("#live"), asked=seen.requests)


def settle(page) -> None:
    """Wait until all networks have answered what was asked last."""
    page.wait_for_function("!document.querySelector('.live-body').hasAttribute('aria-busy')")


def choose(running, sample: str, size: int) -> None:
    """Show one of the book's pictures at so many pixels a side."""
    running.figure.get_by_role("button", name=sample, exact=True).first.click()
    settle(running.page)
    running.figure.get_by_label(str(size), exact=True).check()
    settle(running.page)


def panels(running) -> list:
    return running.figure.locator(".panel:has(ol.names)").all()


def words(running) -> list[str]:
    return words_of(running.figure)


def said(running) -> list[str]:
    """What stands beside each threshold."""
    return running.figure.locator("output").all_inner_texts()


def ask_worker(page, live: files.Live, pictures: list[np.ndarray]) -> list[list[dict]]:
    """What the worker answers for pictures, uint8 (size, size, 3): for each picture one answer of each network.

    Args:
        page: Playwright's, at an address of the site that `write_site` wrote.
        live: what that site was written of.
    """
    sent = []
    for picture in pictures:
        opaque = np.concatenate([picture, np.full((*picture.shape[:2], 1), 255, np.uint8)], axis=2)
        sent.append({"size": len(picture), "pixels": base64.b64encode(opaque.tobytes()).decode()})
    worker = page.evaluate("new URL('../_static/live/worker.mjs', location).href")
    return page.evaluate(ASK, {"worker": worker, "networks": live.networks, "pictures": sent})


def native(live: files.Live, picture: np.ndarray) -> list[dict[str, np.ndarray]]:
    """The same by onnxruntime on this machine, each network's outputs by name, (channels, rows, columns)."""
    found = []
    for about in live.networks:
        mean, std = (np.array(about["normalization"][key], np.float32) for key in ("mean", "std"))
        image = ((picture.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)[None]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(live.files[about["file"]], options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        found.append({name: values[0] for name, values in zip(names, session.run(names, {"image": image}))})
    return found


def difference(answer: dict, outputs: dict[str, np.ndarray]) -> float:
    """Largest difference between a worker's answer and native outputs, relative to the largest value of the map.

    The levels come as their channel of highest mean; another channel is no small difference, so it is an error.

    Raises:
        AssertionError: another channel, or another size.
    """

    def relative(found: list[float], wanted: np.ndarray) -> float:
        return float(np.abs(np.array(found).reshape(wanted.shape) - wanted).max() / np.abs(wanted).max())

    worst = relative(answer["scores"]["values"], outputs["score_map"])
    assert len(answer["levels"]) == len(outputs) - 1
    for level in answer["levels"]:
        maps = outputs[f"level_{level['level']}"]
        grid = contrasts(maps)
        assert level["contrast"] is None if grid is None else np.abs(np.subtract(level["contrast"], grid)).max() < 1e-4
        assert level["channel"] == maps.mean(axis=(1, 2)).argmax() and level["channels"] == len(maps)
        worst = max(worst, relative(level["values"], maps[level["channel"]]))
    return worst


def contrasts(maps: np.ndarray) -> list[float] | None:
    """The library's grid contrast of maps (channels, rows, columns), for 4 and 2 cells; None where it has none."""
    try:
        return [grid_contrast(torch.from_numpy(maps), period).item() for period in (4, 2)]
    except ValueError:  # too few cells
        return None
