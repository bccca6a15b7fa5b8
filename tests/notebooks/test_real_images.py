"""Real images in figures: each is listed in data/figures.yml with source and licence, and there are few of them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
import yaml

from tests.notebooks import chapters

FIGURES = yaml.safe_load((chapters.ROOT / "data" / "figures.yml").read_text(encoding="utf-8"))["figures"]
MOST_A_CHAPTER = 12


def captions(path) -> dict[str, str]:
    """The caption of each figure of a chapter, by cell: in its metadata, or the paragraph after it."""
    found = {}
    for cell, after in pairwise(chapters.read(path).cells):
        below = after.source.split("\n\n")[0] if after.source.startswith("**Figure ") else ""
        found[cell.id] = cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "") or below
    return found


@pytest.mark.parametrize("path", chapters.PATHS, ids=lambda path: path.stem)
def test_what_a_caption_credits_is_what_is_listed(path):
    found = captions(path)
    sources = ("scikit-image", "Tiny-ImageNet", "CamVid")
    credited = {cell for cell, caption in found.items() if any(source in caption for source in sources)}
    listed = {figure["cell"] for figure in FIGURES if figure["chapter"] == path.name[:2]}
    assert listed == credited


def test_every_entry_says_where_its_image_comes_from():
    for figure in FIGURES:
        assert set(figure) == {"chapter", "cell", "images", "dataset", "source", "licence", "caption"}, figure
        assert figure["images"] and figure["source"].startswith("https://") and figure["licence"], figure


def test_there_are_few_of_them():
    shown = Counter(figure["chapter"] for figure in FIGURES for _ in figure["images"])
    assert max(shown.values()) <= MOST_A_CHAPTER, shown
    assert sum(len(figure["images"]) for figure in FIGURES if figure["dataset"] == "tiny-imagenet") <= 16
