"""Measure the live page in Chromium and write data/results/live.json: `python -m tests.site.live.times`.

Bytes before and after the click, seconds from the click to the first answers of all networks (each time in a browser
without a cache, from a server on this machine), milliseconds a picture, and how far apart the runtimes are. The built
site has to be there (`make book`).
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from book.live import files
from book.photographs import photograph
from book.studies.files import results_dir
from drn_lib import network, paths
from drn_lib.checkpoints import onnx
from drn_lib.checkpoints.files import SHIPPED
from drn_lib.checkpoints.onnx import Trained, onnx_model
from drn_lib.checkpoints.weights import load_trained
from drn_lib.images import normalize
from tests.site.browser import FLAGS, SITE, WIDTHS, executable, serve
from tests.site.live.site import FIRST, ask_worker, difference, native

SIZES = (64, 224, 448)
VISITS = 5
RUNS = 5


def visit(browser, address: str) -> tuple[float, int, int]:
    """One reader: seconds to the first answers, and bytes that were loaded before the click and by it."""
    context = browser.new_context(viewport=WIDTHS["wide"])
    page, sizes = context.new_page(), {}
    page.on("response", lambda r: sizes.__setitem__(r.url.split("?")[0], int(r.headers.get("content-length", 0))))
    page.goto(f"{address}/book/live.html", wait_until="networkidle")
    before = sum(sizes.values())
    start = time.perf_counter()
    page.locator(".begin").click()
    page.wait_for_selector(FIRST)
    seconds = time.perf_counter() - start
    page.wait_for_load_state("networkidle")
    context.close()
    return seconds, before, sum(sizes.values()) - before


def runtimes(page, live: files.Live) -> tuple[dict, float]:
    """Milliseconds of each network at each size, the fastest of some, and Chromium against onnxruntime here."""
    pictures = {size: photograph("coffee", size).permute(1, 2, 0).numpy() for size in SIZES}
    asked = [pictures[size] for size in SIZES for _ in range(RUNS + 1)]
    answers = ask_worker(page, live, asked)
    times, worst = {}, 0.0
    for index, size in enumerate(SIZES):
        wanted = native(live, pictures[size])
        runs = answers[index * (RUNS + 1) : (index + 1) * (RUNS + 1)][1:]  # the first one warms up
        for number, name in enumerate(files.NETWORKS):
            milliseconds = [run[number]["milliseconds"] for run in runs]
            times.setdefault(name, {})[str(size)] = {
                "median": round(statistics.median(milliseconds), 1),
                "min": round(min(milliseconds), 1),
            }
            worst = max(worst, difference(runs[0][number], wanted[number]))
    return times, worst


def stored_precision() -> tuple[float, float, float]:
    """Relative differences: torch against the 32-bit file, 16 against 32 bits of the shipped and of fresh weights."""
    x = normalize(photograph("coffee", 224)[None])
    torch_onnx, shipped, unrounded = 0.0, 0.0, 0.0
    for name in files.NETWORKS:
        model = load_trained(SHIPPED.format(name))
        with torch.inference_mode():
            wanted = model.score_map(x).numpy()
        file = paths.checkpoints_dir() / f"{SHIPPED.format(name)}.safetensors"
        exact, rounded = (scores(onnx_model(onnx.read_trained(file), storage), x) for storage in ("float32", "float16"))
        torch_onnx, shipped = max(torch_onnx, relative(exact, wanted)), max(shipped, relative(rounded, exact))
        torch.manual_seed(0)
        fresh = network.create_model(name, 20, width=0.25).eval()
        tensors = {key: tensor.numpy() for key, tensor in fresh.state_dict().items()}
        trained = Trained(fresh.table, tensors, None, "fresh weights", "", "")
        exact, rounded = (scores(onnx_model(trained, storage), x) for storage in ("float32", "float16"))
        unrounded = max(unrounded, relative(rounded, exact))
    return torch_onnx, shipped, unrounded


def scores(model, x: torch.Tensor) -> np.ndarray:
    """The score map that onnxruntime computes."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([onnx.SCORES], {"image": x.numpy()})[0]


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def measure() -> dict:
    """All that live.json holds."""
    from playwright.sync_api import sync_playwright

    live = files.collect()
    if live.missing:
        raise SystemExit(f"nothing to measure: {live.missing}")
    server = serve(SITE)
    address = f"http://127.0.0.1:{server.server_port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        visits = [visit(browser, address) for _ in range(VISITS)]
        page = browser.new_page()
        page.goto(f"{address}/book/live.html")
        times, chromium = runtimes(page, live)
        version = browser.version
        browser.close()
    server.shutdown()
    torch_onnx, shipped, unrounded = stored_precision()
    return {
        "first_result_seconds": {
            "median": round(statistics.median(seconds for seconds, *_ in visits), 2),
            "min": round(min(seconds for seconds, *_ in visits), 2),
            "visits": VISITS,
        },
        "run_milliseconds": times,
        "bytes": {"before_click": visits[-1][1], "by_click": visits[-1][2]},
        "relative_difference": {
            "torch_and_onnxruntime": torch_onnx,
            "16_and_32_bits_shipped": shipped,
            "16_and_32_bits_fresh": unrounded,
            "chromium_and_onnxruntime": chromium,
        },
        "browser": f"Chromium {version}",
        "runtime": f"onnxruntime-web {files.RUNTIME.version()}",
        "device": processor(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = measure()
    with paths.replacing(results_dir() / "live.json") as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
