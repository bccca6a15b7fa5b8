"""What the live page needs beside its own scripts: onnxruntime for browsers, and the networks as ONNX files.

The runtime comes from npm, see `book.npm`. The networks are made of the committed checkpoints each time the book is
built, without torch. Where one of the two cannot be had the book is built all the same: its live page then shows stored
pictures and says why.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from book import ROOT
from book.npm import SHARE, Package, Unavailable

SCRIPTS = ROOT / "book" / "_static" / "live"
# Of its 139 MB: the script (with its glue) and the compiled code, for one thread, without WebGPU.
RUNTIME = Package(
    "onnxruntime-web",
    {"ort.mjs": "dist/ort.wasm.bundle.min.mjs", "ort.wasm": "dist/ort-wasm-simd-threaded.wasm"},
    ROOT / "book" / "live",
    SHARE / "drn-book-live",
)
NETWORKS = ("resnet_18", "drn_a_18", "drn_c_26")  # from left to right
SETTINGS = {  # kind of picture: {pixels a side: the study's setting with pictures of that kind and size}
    "single": {"64": "localization.native", "224": "localization.px224"},
    "several": {"224": "clutter"},
}


@dataclass(frozen=True)
class Live:
    """What the live page is built of."""

    networks: list[dict] = field(default_factory=list)  # what the page has to know of each, with the name of its file
    files: dict[str, bytes] = field(default_factory=dict)  # that are added to the page's own, by name
    missing: str = ""  # why there are none, as half a sentence; empty where all is there


def collect(runtime: Package = RUNTIME) -> Live:
    """The runtime that was fetched, and the networks, made now."""
    try:
        files = runtime.read()
        networks, contents = zip(*map(network, NETWORKS))
    except Unavailable as error:
        return Live(missing=str(error))
    return Live(list(networks), files | {about["file"]: content for about, content in zip(networks, contents)})


def network(name: str) -> tuple[dict, bytes]:
    """What the page has to know of a network, and its ONNX file."""
    from drn_lib.checkpoints import onnx
    from drn_lib.checkpoints.files import SHIPPED, find_shipped
    from drn_lib.names import display_name

    trained = onnx.read_trained(find_shipped(SHIPPED.format(name)))
    try:
        model = onnx.onnx_model(trained)
    except RuntimeError as error:
        raise Unavailable(str(error)) from None
    about = {"name": name, "label": display_name(name), "file": f"{name}.onnx", "classes": trained.classes}
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    about |= {key: json.loads(metadata[key]) for key in ("normalization", "outputs")}
    return about | {"thresholds": thresholds(name)}, model.SerializeToString(deterministic=True)


def thresholds(name: str) -> dict[str, dict[str, float]]:
    """What the study chose on its validation pictures for these weights: by kind of picture, then by pixels a side."""
    from book.studies.files import results_dir
    from drn_lib.checkpoints.files import SHIPPED

    metrics = json.loads((results_dir() / f"{SHIPPED.format(name)}.json").read_text(encoding="utf-8"))["metrics"]
    return {
        kind: {size: metrics[f"{setting}.threshold"] for size, setting in sizes.items()}
        for kind, sizes in SETTINGS.items()
    }
