"""The primary contrasts of a plan: what is expected of which difference, before it is measured. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from book.studies.reading import strict
from drn_lib.checks import one_of, real_number

SIGNS = ("less", "greater")


@dataclass(frozen=True)
class Contrast:
    """Left minus right of one outcome, as a plan expects it.

    left, right   variants of the study, or of another as "classification/drn_a_18"
    outcome       a metric of the runs
    predicted     "less" or "greater": than nothing
    smallest      the smallest difference, in the outcome's unit, that the plan finds in four studies of five
    excludes      which explanation a difference of the predicted sign excludes
    beside        two more variants, whose difference is taken away from that of left and right
    """

    left: str
    right: str
    outcome: str
    predicted: str
    smallest: float
    excludes: str
    beside: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        for key in ("left", "right", "outcome", "excludes"):
            if not strict.text(key, getattr(self, key)):
                raise ValueError(f"{key} must not be empty")
        one_of("predicted sign", self.predicted, SIGNS)
        real_number("smallest", self.smallest, 1e-6, 1e6)
        if self.beside is not None:
            if len(strict.distinct("beside", self.beside)) != 2:
                raise ValueError(f"beside must be two variants, not {len(self.beside)}")
            object.__setattr__(self, "beside", tuple(self.beside))
        if len(set(self.variants)) != len(self.variants):
            raise ValueError(f"{', '.join(self.variants)} has a variant twice")

    @property
    def variants(self) -> tuple[str, ...]:
        """The two that are compared, or the four."""
        return (self.left, self.right, *(self.beside or ()))


def split(study: str, name: str) -> tuple[str, str]:
    """The study and the variant that a name means in a study: "drn_a_18" its own, "other/drn_a_18" another's."""
    both = str(name).split("/")
    return tuple(both) if len(both) == 2 and all(map(strict.NAME.fullmatch, both)) else (study, name)


def read(families: object) -> dict[str, tuple[Contrast, ...]]:
    """A plan's `families`: lists of contrasts by name, each of which is corrected together (Holm).

    Raises:
        ValueError: something in them is unknown, missing, there twice or of the wrong type.
    """
    found, seen = {}, []
    for name, rows in strict.mapping("families", families).items():
        with strict.within(f"family {strict.name('a family', name)}"):
            found[name] = tuple(_rows(rows, seen))
    return found


def _rows(rows: object, seen: list) -> Iterator[Contrast]:
    known = [field.name for field in fields(Contrast)]
    for number, row in enumerate(strict.distinct("a family", rows), 1):
        with strict.within(f"contrast {number}"):
            contrast = Contrast(**strict.mapping("a contrast", row, known, known[:-1]))
            what = {*contrast.variants[:2]}, contrast.variants[2:], contrast.outcome
            if what in seen:
                raise ValueError(f"{contrast.left} and {contrast.right} are compared by {contrast.outcome} before")
            seen.append(what)
        yield contrast


def check(families: dict[str, tuple[Contrast, ...]], study: str, variants_of: Callable[[str], list[str]]) -> None:
    """Raise ValueError where a contrast names a variant that no plan has; `variants_of` gives those of a study."""
    for family, rows in families.items():
        for name in dict.fromkeys(name for contrast in rows for name in contrast.variants):
            with strict.within(f"family {family}"):
                home, variant = split(study, name)
                one_of(f"variant of {home} called", variant, variants_of(home))
