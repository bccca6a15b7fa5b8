"""Measure what reading one image of Cityscapes' size takes: `python -m book.studies.measurements.memory`, some minutes.

Writes data/results/memory.json: the peak memory (resident set) of a process that reads a 2048 x 1024 image with
DRN-C-26 at full width on a CPU, in several ways. Each way has a process of its own, since none forgets its peak.
"""

from __future__ import annotations

import json
import subprocess
import sys

import torch

from book.studies import provenance
from book.studies.files import results_dir
from drn_lib import paths, segmentation
from drn_lib.segmentation import inference, options

ARCH, HEIGHT, WIDTH, CLASSES = "drn_c_26", 1024, 2048, 19
WAYS = {"whole": None, "window_1024": 1024, "window_512": 512}
OVERLAP = 0.25
NOTHING = "nothing"
"""A process that makes the network and reads no image: what torch and the weights take."""


def read(way: str) -> float:
    """Read one image in this process; its peak memory in units of 10^6 bytes."""
    torch.set_num_threads(1)
    model = segmentation.SegmentationNetwork(segmentation.make_backbone(ARCH, 1.0), CLASSES).eval()
    image = torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8)
    if way != NOTHING:
        window = WAYS[way]
        overlap = int(OVERLAP * window) if window else 0
        how = options.Inference(window, overlap) if window else options.WHOLE
        labels = inference.predict_labels(model, image, how)
        assert labels.shape == (HEIGHT, WIDTH)
    return provenance.peak_memory_mb()


def main() -> None:
    peaks = {}
    for way in (NOTHING, *WAYS):
        command = [sys.executable, "-m", "book.studies.measurements.memory", way]
        peaks[way] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(f"{way:12} {peaks[way]:7.0f} MB", flush=True)
    found = {"architecture": ARCH, "image": [HEIGHT, WIDTH], "classes": CLASSES, "peak_mb": peaks}
    found["torch"] = torch.__version__
    with paths.replacing(results_dir() / "memory.json") as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    print(read(sys.argv[1])) if sys.argv[1:] else main()
