"""`make numbers`: fill every number and table of the book from data/; with --check only say what differs.

Numbers and tables stand between invisible comments: `markers.py` tells their form. The pages claims,
paper-against-code and status get their generated parts in the same way. No torch is needed, except for what the
explorers in the pages know (`explorers/data.py`), which is left as it is where there is none.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import yaml

from book import ROOT
from book.explorers import data
from book.live import pictures
from book.numbers import forests, markers, solutions, status
from book.numbers.claims import page as claims
from book.numbers.tables import classification, lite0, live, localization, planned, reproduction, segmentation
from drn_lib.paths import replacing

TABLES = {
    **status.TABLES,
    **claims.TABLES,
    **classification.TABLES,
    **localization.TABLES,
    **live.TABLES,
    **lite0.TABLES,
    **segmentation.TABLES,
    **reproduction.TABLES,
    **planned.TABLES,
    "solutions": solutions.solutions,
}

# What is no prose: what the generator fills, code, formulas, links, HTML, headings' numbers.
_NOT_PROSE = [
    markers.TABLE,
    markers.NUMBER,
    re.compile(r"```.*?```", re.DOTALL),
    re.compile(r"`[^`\n]+`"),
    re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL),
    re.compile(r"\]\([^)]*\)|https?://\S+"),
    re.compile(r"<[^>]+>"),
    re.compile(r"^#+ [\d.]+ ", re.MULTILINE),
    re.compile(r"\b95 % intervals?|\bCC BY(?:-[A-Z]+)* \d\.\d"),
    re.compile(
        r"(?:arXiv|Fig\.|Figs\.|Figures?|Table|[Ss]ections?|[Cc]hapters?|version|torch|Python) "
        r"\d+(?:\.\d+)*(?: and \d+(?:\.\d+)*)?"
    ),
]
_RESULT = re.compile(r"(?<![\w.])\d+(?:\.\d+)?\s?%|(?<![\w.])\d+\.\d+(?![\w.]*\d)")


def sources() -> list[Path]:
    """The README, the chapters, the pages and the model cards: all that may hold numbers."""
    found = [("", "README.md"), ("notebooks", "[0-9]*.ipynb"), ("book", "*.md"), ("data/checkpoints", "*.md")]
    return [path for folder, pattern in found for path in sorted((ROOT / folder).glob(pattern))]


def filled(path: Path) -> str:
    """The file's text with all its numbers and tables computed again."""
    text = path.read_text(encoding="utf-8")
    where = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    if path.suffix != ".ipynb":
        return markers.fill(text, where, TABLES)
    notebook, changed = json.loads(text), False
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            before = "".join(cell["source"])
            after = markers.fill(before, f"{where}, cell {cell.get('id', '?')}", TABLES)
            if after != before:
                cell["source"], changed = after.splitlines(keepends=True), True
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n" if changed else text


def typed_results(path: Path) -> list[str]:
    """Lines of a chapter's prose in which a percentage or a decimal number was typed by hand."""
    allowed = yaml.safe_load((ROOT / "book" / "typed_numbers.yml").read_text(encoding="utf-8"))["allowed"]
    excused = [entry["text"] for entry in allowed if (ROOT / entry["file"]) == path]
    found = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        prose = "".join(cell["source"])
        for pattern in _NOT_PROSE:
            prose = pattern.sub(" ", prose)
        for line in prose.splitlines():
            if _RESULT.search(line) and not any(text in line for text in excused):
                number = _RESULT.search(line)[0]
                found.append(f"{path.name}, cell {cell.get('id', '?')}: {number!r} is typed in: {line.strip()[:100]}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Fill the files, or with --check name those that differ; the exit status is 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, name the files that differ")
    check = parser.parse_args(arguments).check
    problems = []
    for path in sources():
        try:
            text = filled(path)
        except (markers.MarkerError, ValueError) as error:
            problems.append(str(error))
            continue
        if text != path.read_text(encoding="utf-8"):
            if check:
                problems.append(f"{path.relative_to(ROOT)} differs from data/ and drn_lib: run `make numbers`")
            else:
                with replacing(path) as temporary:
                    temporary.write_text(text, encoding="utf-8")
                print(f"filled {path.relative_to(ROOT)}")
        if path.suffix == ".ipynb":
            problems += typed_results(path)
    problems += data.refresh(check)
    problems += pictures.refresh(check)
    problems += forests.refresh(check)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
