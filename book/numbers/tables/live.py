"""The generated parts of the pages that tell of the live page: all of it from data/results/live.json."""

from __future__ import annotations

import json

from book.numbers.text import NOT_MEASURED
from book.studies import files, results
from drn_lib.names import display_name


def cost() -> str:
    """What the live page loads, how soon it answers, and how exact it is."""
    found = _measured()
    if found is None:
        return f"*The live page: {NOT_MEASURED}.*"
    loaded, first = found["bytes"], found["first_result_seconds"]
    far = {key: _power(value) for key, value in found["relative_difference"].items()}
    rows = [
        ["loaded with the page, with all that every page has", f"{loaded['before_click'] / 1e6:.1f} MB"],
        ["loaded by the click, once", f"{loaded['by_click'] / 1e6:.1f} MB"],
        ["from the click to the first answers", f"{first['median']:.1f} s"],
        ["difference: torch, and onnxruntime with kernels in 32 bits", far["torch_and_onnxruntime"]],
        ["difference: kernels in 16 and in 32 bits, these weights", far["16_and_32_bits_shipped"]],
        ["the same for weights that were never rounded", far["16_and_32_bits_fresh"]],
        ["difference: the browser, and onnxruntime outside of it", far["chromium_and_onnxruntime"]],
    ]
    return results.markdown_table(["measured", "value"], rows)


def times() -> str:
    """How long the networks take in a browser, and in which one."""
    found = _measured()
    if found is None:
        return f"*In a browser: {NOT_MEASURED}.*"
    rows = []
    for name, sizes in found["run_milliseconds"].items():
        for size, time in sizes.items():
            rows.append([display_name(name), f"{size} px", f"{time['median']:.0f} ms", f"{time['min']:.0f} ms"])
    first = found["first_result_seconds"]
    what = "all three, from the click to the first answers"
    rows.append([what, "64 px", f"{first['median']:.1f} s", f"{first['min']:.1f} s"])
    table = results.markdown_table(["network", "picture", "median", "fastest"], rows)
    return f"{table}\n\n{found['browser']}, {found['runtime']}, one thread, on {found['device']}."


def _power(value: float) -> str:
    """6.2e-07 as 6 × 10⁻⁷."""
    if value == 0:
        return "none"
    digit, exponent = f"{value:.0e}".split("e")
    return f"{digit} × 10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _measured() -> dict | None:
    path = files.results_dir() / "live.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


TABLES = {"live": cost, "live-times": times}
