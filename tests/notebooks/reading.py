"""What can be counted of a chapter's reading: `python -m tests.notebooks.reading [--worst] [FILE ...]`.

Prints words, numbers, brackets, long sentences and scaffolding in sight for each chapter; with `--worst` the sentences
to look at first. A count is no judgement: it points to where a reader will tire.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from book.chapters import road
from tests.notebooks import chapters

ODD = re.compile(
    r"\b(is|are|was|were) (not )?seen to\b|\bshows? no\b|\bbehind (level|dilation|it|them|the tail)\b|\banew\b"
    r"|\bmend(ed|s)?\b|\bwho(ever)? needs\b|\bnone the less\b|\bas far as we know\b",
    re.IGNORECASE,
)
"""Turns of phrase that read translated."""

_NUMBER = re.compile(r"(?<![\w.])[−+-]?\d+(?:[.,]\d+)?(?![\w.])")
_NO_NUMBER = re.compile(
    r"\d+\s*[x×]\s*\d+|[Ss]ection \d[\d.]*|[Cc]hapter \d+|(?:Fig\.|Figure|Table) \d[\d.]*|\$[^$]*\$|`[^`]*`"
    r"|\b(?:ResNet|DRN-[A-D]|[A-D]|top)-\d+|\b95 %"
    r"|(?:[Ll]evels?|[Dd]ilation|period) \d(?:(?:, \d)*(?: and| to| or|, then) \d)?"
)
"""What reads as a name: of a section, figure, network, level, dilation or error; and the 95 % of every interval."""
_SCAFFOLD = re.compile(r"DRN_SHRINK|if FULL|FULL = |fact\(")
_TABLE = re.compile(r"(?:^|\n)\s*\|[\s:|-]+\|\s*\n")
_SENTENCE = re.compile(r"(?<=[.!?:])\s+(?=[A-Z*\"(])")


def numbers(text: str) -> list[str]:
    """The numbers of a text that are no names."""
    return _NUMBER.findall(_NO_NUMBER.sub("", text))


def sentences(path: Path) -> list[str]:
    return [found.strip() for found in _SENTENCE.split(road.text(path)) if found.strip()]


def shown(path: Path, removed: str) -> list:
    """The code cells whose "input" or "output" the page shows."""
    cells = chapters.code_cells(chapters.read(path))
    hidden = chapters.HIDDEN if removed == "input" else {"remove-cell", "remove-output", "hide-cell"}
    return [cell for cell in cells if not hidden & set(chapters.tags(cell))]


def printed(path: Path) -> list[str]:
    """The lines that the page shows as output; those of exercises it breaks where the window ends."""
    cells = [cell for cell in shown(path, "output") if "check(" not in cell.source]
    streams = (output for cell in cells for output in cell.outputs if output.output_type == "stream")
    return [line for stream in streams for line in stream.text.splitlines()]


def measure(path: Path) -> dict[str, int]:
    """What is counted of a chapter, by name."""
    text, notebook = road.text(path), chapters.read(path)
    return {
        "words": len(text.split()),
        "numbers": len(numbers(text)),
        "tables": sum(len(_TABLE.findall(source)) for source in chapters.markdown(notebook)),
        "brackets": len(re.findall(r"\([^)]{12,}\)", text)),
        "long sentences": sum(len(sentence.split()) > 32 for sentence in sentences(path)),
        "odd": len(ODD.findall(text)),
        "scaffold": sum(bool(_SCAFFOLD.search(cell.source)) for cell in shown(path, "input")),
        "only asserts": sum(not cell.outputs and "assert" in cell.source for cell in shown(path, "input")),
        "True": sum(bool(re.search(r"\b(True|False)\s*$", line)) for line in printed(path)),
        "widest": max(map(len, printed(path)), default=0),
    }


def main() -> None:
    worst = "--worst" in sys.argv
    paths = [Path(name) for name in sys.argv[1:] if name != "--worst"] or chapters.PATHS
    for index, path in enumerate(paths):
        if worst:
            found = sorted(sentences(path), key=lambda s: (bool(ODD.search(s)), s.count("("), len(s.split())))
            print(f"{path.stem}\n" + "\n".join(f"- {sentence[:300]}" for sentence in found[:-13:-1]))
            continue
        row = measure(path)
        if index == 0:
            print(f"{'':30}" + "".join(f"{name:>15}" for name in row))
        print(f"{path.stem[:30]:30}" + "".join(f"{value:>15}" for value in row.values()))


if __name__ == "__main__":
    main()
