"""The version and the address of `pyproject.toml`, written wherever they stand: `python -m book.chapters.version`."""

import re

import tomllib

from book import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION, ADDRESS = PROJECT["version"], PROJECT["urls"]["Repository"]
OWNER, NAME = ADDRESS.rsplit("/", 2)[1:]
SITE = f"https://{OWNER.lower()}.github.io/{NAME}/"
"""Where GitHub Pages serves the built book."""

PLACES = {
    "drn_lib/__init__.py": r'(?<=__version__ = ")[^"]+',
    "_config.yml": r"(?<=branch: v)[\d.]+",
    "CITATION.cff": r"(?<=^version: )[\d.]+",
    "README.md": r"(?<=/blob/v)[\d.]+",
}
"""Files with the version in them, and where; the chapters' first cell has it from here (`first_cell`)."""


def main() -> None:
    for name, pattern in PLACES.items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(pattern, VERSION, text, flags=re.MULTILINE), encoding="utf-8")


if __name__ == "__main__":
    main()
