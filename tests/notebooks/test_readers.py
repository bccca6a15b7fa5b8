"""Ten questions a chapter, answered from its page alone: what an answer rests on still stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from book.chapters import road
from tests.notebooks import chapters, reading

FILES = sorted(Path(__file__).with_name("readers").glob("[0-9]*.md"))
PARTS = ["Answer", "Page", "Key", "Mark"]


def plain(text: str) -> str:
    """Words without emphasis, quotation signs and line breaks."""
    return " ".join(re.sub(r"\*+|^> ?|(?<=\s)> ", "", text, flags=re.MULTILINE).split())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_the_answers_rest_on_stands_in_the_chapter(file):
    path = next(path for path in chapters.PATHS if path.name.startswith(file.stem))
    said = plain(road.text(path) + " " + " ".join(reading.printed(path)))
    questions = file.read_text(encoding="utf-8").split("\n## ")[1:]
    assert len(questions) >= 10
    for question in questions:
        found = dict(re.findall(r"^- (\w+): (.+)$", question, re.MULTILINE))
        assert list(found) == PARTS, question.splitlines()[0]
        assert plain(found["Page"].strip('"')) in said, found["Page"]
        assert found["Mark"] in ("clear", "weak"), question.splitlines()[0]
