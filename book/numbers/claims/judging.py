"""How the claims of the paper are judged, each check by one rule. Everything in it comes from data/.

A check compares two networks in stored results, two readings of a real ImageNet network or two numbers of the paper's
tables, or names the test that shows it. `page.py` makes the page of it.
"""

from __future__ import annotations

import ast

from book import ROOT
from book.numbers import markers
from book.numbers.text import NOT_MEASURED
from book.studies import files, intervals, results
from book.studies.evidence import families, growth, planned, replication
from book.studies.evidence.grid import contrasts
from book.studies.imagenet import readings
from book.studies.metrics import interval_text, signed
from drn_lib.paths import paper_dir

VERDICTS = ("supported", "supported (provisional)", "matches", "matches (provisional)", "contradicted")
VERDICTS += ("contradicted (provisional)", "not resolved", "not testable here", "open")
"""What a check can come to, in the order in which a page lists them."""

KINDS = ("arithmetic", "the paper's claims", "our own controls")
"""What a check is: a count or a proof, a comparison that the paper makes, or one that it lacks."""

SCALES = ("exact", "a real ImageNet network", *replication.SCALES, "the paper's table only")
"""How strong the evidence behind a check is, the strongest first."""


def load_claims() -> list[dict]:
    """The claims of data/paper/claims.yml."""
    return files.read_yaml(paper_dir() / "claims.yml")["claims"]


def judge(check: dict) -> tuple[str, str, str, str]:
    """What we found for one check: (ours, n, interval, verdict), each as text."""
    if "not_testable" in check:
        return check["not_testable"], "–", "–", "not testable here"
    if "test" in check:
        if not has_test(check["test"]):
            return NOT_MEASURED, "–", "–", "open"
        return check["shows"], check.get("n", "exact"), "–", check.get("finds", "supported")
    if "arithmetic" in check:
        return _judge_arithmetic(check["arithmetic"])
    if "reading" in check:
        return _judge_reading(**check["reading"])
    if "grid" in check:
        return _judge_grid(**check["grid"])
    if "growth" in check:
        return _judge_growth(**check["growth"])
    difference, key = _compared(check)
    plan = check["compare"]
    if difference is None:
        return NOT_MEASURED, "–", "–", "open"
    study, style = key[0], plan.get("style", ".1f")
    left, right = results.samples(study, *key[1:])
    ours = _beside(left.mean, right.mean, difference.estimate, style)
    over_seeds = results.difference_over_seeds(study, *key[1:])
    judged = intervals.printed_verdict(difference, over_seeds, plan["claim"], _p_adjusted(key))
    planned = min(results.planned_seeds(study, plan[side]) for side in ("left", "right"))
    if intervals.LEAST_SEEDS <= difference.n < planned:
        interim = f"interim, {difference.n} of {planned} seeds"
        judged = f"{judged[:-1]}; {interim})" if judged.endswith(")") else f"{judged} ({interim})"
    if difference.n < intervals.LEAST_SEEDS:
        judged = f"not resolved ({'one seed' if difference.n == 1 else f'{difference.n} seeds'})"
    return ours, f"{left.n},\u00a0{right.n}", interval_text(difference, style), judged


def tallied(check: dict) -> str:
    """A check's verdict as it is counted: one of `VERDICTS`."""
    judged = judge(check)[3]
    name = judged.partition(" (")[0]
    return f"{name} (provisional)" if "(provisional" in judged else name


def kind(check: dict) -> str:
    """One of `KINDS`."""
    if check.get("control"):
        return KINDS[2]
    return KINDS[0 if _is_exact(check) else 1]


def scale(check: dict) -> str:
    """One of `SCALES`, or an empty string for what was not measured yet."""
    if "not_testable" in check:
        return SCALES[-1]
    if tallied(check) == "open":
        return ""
    if _is_exact(check):
        return SCALES[0]
    if "reading" in check:
        return SCALES[1]
    if "grid" in check:
        left, right = (tuple(check["grid"][side].split("/")) for side in ("left", "right"))
        return replication.grid_scale(left, right, check["grid"]["period"])
    if "growth" in check:
        return replication.ONCE
    key = _compared(check)[1]
    return replication.scale(*key[:4]) if key else replication.ONCE


def paper_text(check: dict) -> str:
    """The paper's own numbers for one check."""
    paper = check.get("paper")
    if paper is None:
        return "–"
    if "text" in paper:
        return paper["text"]
    if "beside" in paper:  # a difference of differences
        more, base = (_printed_difference(sides) for sides in (paper, paper["beside"]))
        return _beside(more, base, more - base, ".1f")
    printed = [markers.number(f"paper:{paper[side]}") for side in ("left", "right")]
    decimals = max(len(text.partition(".")[2]) for text in printed)
    return f"{printed[0]} and {printed[1]}: {signed(_printed_difference(paper), f'+.{decimals}f')}"


def _printed_difference(sides: dict) -> float:
    return _float(f"paper:{sides['left']}") - _float(f"paper:{sides['right']}")


def has_test(name: str) -> bool:
    """Whether `tests/file.py::function` is there; `make test` runs it."""
    path, _, function = name.partition("::")
    if not (ROOT / path).is_file():
        return False
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in tree.body)


def _p_adjusted(key: tuple) -> float | None:
    """Holm's p of (study, left, right, metric, right_metric) over its family; None where it is in none."""
    study, left, right, metric, other = key
    if other is not None:
        return None
    if families.family(study, (left, right)) is None:
        return planned.p_adjusted(study, left, right, metric)

    def measure(pair: tuple[str, str]) -> intervals.Interval | None:
        return results.difference(study, *pair, metric)

    return families.p_values(study, [(left, right)], measure)[left, right]


def _beside(left: float, right: float, difference: float, style: str) -> str:
    return f"{signed(left, style)} and {signed(right, style)}: {signed(difference, f'+{style}')}"


def _compared(check: dict) -> tuple[intervals.Interval | None, tuple]:
    """The difference of a check from the first of its studies that has it, and (study, left, right, metric)."""
    plan = check.get("compare")
    for study in plan["studies"] if plan else ():
        found = results.difference(study, plan["left"], plan["right"], plan["metric"], plan.get("right_metric"))
        if found:
            return found, (study, plan["left"], plan["right"], plan["metric"], plan.get("right_metric"))
    return None, ()


def _is_exact(check: dict) -> bool:
    return "arithmetic" in check or ("test" in check and check.get("n", "exact") == "exact")


def _judge_reading(measured: str, outcome: str, left: str, right: str, claim: str) -> tuple[str, str, str, str]:
    """For the one real network, chance lies only in the photographs, so n counts them."""
    found = readings.stored(measured)
    if found is None:
        return NOT_MEASURED, "–", "–", "open"
    row, sides = found[outcome][f"{left} - {right}"], (found["readings"][side][outcome] for side in (left, right))
    photographs = found["counts"]["test"]
    difference = intervals.Interval(row["estimate"], row["low"], row["high"], photographs, "over photographs")
    ours = _beside(*sides, row["estimate"], ".1f")
    judged = intervals.verdict(difference, claim, row["p_holm"])
    return ours, f"{photographs} photographs", interval_text(difference), judged


def _judge_grid(left: str, right: str, period: int, claim: str) -> tuple[str, str, str, str]:
    """Grid contrast of two maps, each as "network/level", over the trainings whose weights are stored."""
    sides = [tuple(side.split("/")) for side in (left, right)]
    difference = contrasts.difference(*sides, period)
    means = (contrasts.contrast(*side, period).estimate for side in sides)
    ours = _beside(*means, difference.estimate, ".3f")
    n = "{},\u00a0{}".format(*(len(contrasts.seeds(network)) for network, _ in sides))
    return ours, n, interval_text(difference, ".3f"), contrasts.judged(*sides, period, claim)


def _judge_growth(study: str, left: str, right: str, claim: str) -> tuple[str, str, str, str]:
    """Whether a difference in localization exceeds that in classification: `evidence.growth`."""
    found = growth.growth(study, left, right)
    if found is None:
        return NOT_MEASURED, "–", "–", "open"
    ours = _beside(found.localization, found.classification, found.difference.estimate, ".1f")
    n = "{},\u00a0{}".format(*(len(results.runs(study, side)) for side in (left, right)))
    judged = intervals.printed_verdict(found.difference, found.over_seeds, claim)
    return ours, n, interval_text(found.difference), judged


def _judge_arithmetic(check: dict) -> tuple[str, str, str, str]:
    left, right = (_float(f"paper:{check[side]}") for side in ("left", "right"))
    unit = f" {check['unit']}" if check.get("unit") else ""
    holds = {"equal": left == right, "less": left < right, "greater": left > right}[check["claim"]]
    ratio = f", a factor of {left / right:.1f}" if check.get("ratio") else ""
    style = ",g" if max(left, right) < 1e6 else ",.0f"
    ours = f"{left:{style}} against {right:{style}}{unit}{ratio}"
    return ours, "exact", "–", "supported" if holds else "contradicted"


def _float(key: str) -> float:
    return float(markers.number(key))
