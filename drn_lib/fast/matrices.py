"""Winograd's minimal filtering: the three small matrices of each scheme, which stand here and nowhere else.

In one dimension, `outputs` values of a filter g of three taps over the cells x come from `products` multiplications:

    y = AT [ (G g) * (BT x) ]          where * multiplies entry by entry

and in two dimensions from their square:  Y = AT [ (G g GT) * (BT X B) ] A.  Chapter 08 derives the smallest by hand.
The C++ kernel reads the matrices from the header that `header` writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

Matrix = tuple[tuple[Fraction, ...], ...]


def _matrix(text: str) -> Matrix:
    return tuple(tuple(map(Fraction, row.split())) for row in text.strip().splitlines())


@dataclass(frozen=True)
class Scheme:
    """One scheme of minimal filtering.

    name     as the kernel calls it
    BT       (products, inputs): transforms the cells
    G        (products, 3): transforms the filter
    AT       (outputs, products): turns the products into outputs
    before   cells that are read before the first output; 0 where those around the outputs are known to be zeros
    short    the scheme of a tile that lacks its last output: it takes all of these products but one
    """

    name: str
    BT: Matrix
    G: Matrix
    AT: Matrix
    before: int
    short: Scheme | None = None

    @property
    def skipped(self) -> int:
        """Which product a short tile leaves out; their number where there is no short one."""
        rows = () if self.short is None else self.short.G
        return next((place for place, row in enumerate(self.G) if rows and row not in rows), self.products)

    @property
    def inputs(self) -> int:
        """Cells a side that a tile reads."""
        return len(self.BT[0])

    @property
    def products(self) -> int:
        """Multiplications a side of a tile, and for each pair of channels."""
        return len(self.G)

    @property
    def outputs(self) -> int:
        """Cells a side that a tile gives."""
        return len(self.AT)


F33 = Scheme(
    "F33",
    BT=_matrix("4 -2 -4 2 0\n 0 -6 -3 3 0\n 0 2 -3 1 0\n 0 -4 0 4 0\n 0 2 -1 -2 1"),
    G=_matrix("1/4 0 0\n -1/6 -1/6 -1/6\n -1/6 1/6 -1/6\n 1/24 1/12 1/6\n 0 0 1"),
    AT=_matrix("1 1 1 1 0\n 0 1 -1 2 0\n 0 1 1 4 1"),
    before=1,
)
"""Three outputs from five cells by five of the products of F43, so that both take the same transformed weights."""

F43 = Scheme(
    "F43",
    BT=_matrix("4 0 -5 0 1 0\n 0 -4 -4 1 1 0\n 0 4 -4 -1 1 0\n 0 -2 -1 2 1 0\n 0 2 -1 -2 1 0\n 0 4 0 -5 0 1"),
    G=_matrix("1/4 0 0\n -1/6 -1/6 -1/6\n -1/6 1/6 -1/6\n 1/24 1/12 1/6\n 1/24 -1/12 1/6\n 0 0 1"),
    AT=_matrix("1 1 1 1 1 0\n 0 1 -1 2 -2 0\n 0 1 1 4 4 0\n 0 1 -1 8 -8 1"),
    before=1,
    short=F33,
)
"""Four outputs from six cells by six products instead of twelve; Lavin and Gray, 2016."""

F23 = Scheme(
    "F23",
    BT=_matrix("1 0 -1 0\n 0 1 1 0\n 0 -1 1 0\n 0 1 0 -1"),
    G=_matrix("1 0 0\n 1/2 1/2 1/2\n 1/2 -1/2 1/2\n 0 0 1"),
    AT=_matrix("1 1 1 0\n 0 1 -1 -1"),
    before=1,
)
"""Two outputs from four cells by four products instead of six; Winograd, 1980. `scheme_for` never chooses it."""

PAIR = Scheme(
    "PAIR",
    BT=_matrix("1 1\n 0 1\n 1 0"),
    G=_matrix("0 1 0\n 0 -1 1\n 1 -1 0"),
    AT=_matrix("1 1 0\n 1 0 1"),
    before=0,
)
"""Two cells with zeros around them: three products instead of four (Karatsuba). Exact: its entries are 0, 1 and -1."""

SCHEMES = (F43, F23, PAIR, F33)
"""In the order of their numbers in the kernel."""


def scheme_for(height: int, width: int, dilation: int) -> Scheme:
    """The scheme for a map of that many cells: by the longest side of its sub-lattices."""
    longest = max(-(-side // dilation) for side in (height, width))
    return PAIR if longest <= 2 else F43


def header() -> str:
    """C++ text with all schemes as constants: BT, G, AT and the transposed A and GT, which the gradients need."""
    lines = ["// Written by drn_lib/fast/matrices.py.", "#pragma once"]
    for scheme in sorted(SCHEMES, key=lambda scheme: scheme.short is not None):  # a short one before the whole one
        sizes = f"inputs = {scheme.inputs}, products = {scheme.products}, outputs = {scheme.outputs}"
        lines.append(f"struct {scheme.name} {{")
        lines.append(f"  static constexpr int {sizes}, before = {scheme.before}, skipped = {scheme.skipped};")
        lines.append(f"  using Short = {(scheme.short or scheme).name};")
        transposed = {"A": tuple(zip(*scheme.AT)), "GT": tuple(zip(*scheme.G))}
        for name, matrix in {"BT": scheme.BT, "G": scheme.G, "AT": scheme.AT, **transposed}.items():
            rows = ", ".join("{" + ", ".join(f"{float(entry)!r}f" for entry in row) + "}" for row in matrix)
            lines.append(f"  static constexpr float {name}[{len(matrix)}][{len(matrix[0])}] = {{{rows}}};")
        lines.append("};")
    return "\n".join(lines) + "\n"
