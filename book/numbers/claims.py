"""The page of claims: what became of each claim of the paper, judged by one rule. Everything in it comes from data/.

A check compares two networks in stored results, two numbers of the paper's tables, or names the test that shows it.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from functools import cache, partial
from pathlib import Path

from book.numbers import markers
from book.numbers.status import CHAPTERS, ROOT, chapter_link
from book.numbers.text import NOT_MEASURED
from book.studies import files, intervals, results
from book.studies.metrics import interval_text, signed
from drn_lib.paths import paper_dir

VERDICTS = ("supported", "supported (provisional)", "matches", "contradicted", "contradicted (provisional)")
VERDICTS += ("not resolved", "not testable here", "open")
"""What a check can come to, in the order in which a page lists them."""


def load_claims() -> list[dict]:
    """The claims of data/paper/claims.yml."""
    return files.read_yaml(paper_dir() / "claims.yml")["claims"]


def summary() -> str:
    """How many checks came out how."""
    counts = Counter(_tallied(check) for claim in load_claims() for check in claim["checks"])
    return results.markdown_table(
        ["verdict", "checks"], [[name, str(counts[name])] for name in VERDICTS if counts[name]]
    )


def overview() -> str:
    """One line for each claim: how many of its checks came out how, and the chapter that settles it."""
    rows = []
    for claim in load_claims():
        counts = Counter(_tallied(check) for check in claim["checks"])
        verdicts = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])
        rows.append(
            [f"[{claim['id']}](#{claim['id'].lower()})", claim["short"], verdicts, chapter_link(claim["chapter"])]
        )
    return results.markdown_table(["claim", "in short", "checks", "chapter"], rows)


def details() -> str:
    """Every claim in words: where it stands, what would settle it, and its checks with n, interval and verdict."""
    header = ["what is compared", "the paper", "ours", "n", "95 % interval", "verdict"]
    parts = []
    for claim in load_claims():
        rows = []
        for check in claim["checks"]:
            ours, n, interval, judged = judge(check)
            rows.append([check["what"], paper_text(check), ours, n, interval, judged])
        parts.append(
            f"({claim['id'].lower()})=\n### {claim['id']}: {claim['short']}\n\n{claim['claim'].strip()}\n\n"
            f"- *Where:* {claim['where']} ({claim['sure']})\n"
            f"- *Chapter:* {chapter_link(claim['chapter'])}\n"
            f"- *What would settle it:* {_linked(claim['settle'].strip())}\n\n" + results.markdown_table(header, rows)
        )
    return "\n\n".join(parts)


def chapter_claims(number: int) -> str:
    """What became of the claims that a chapter settles: one line for each check, with the verdict."""
    lines = []
    for claim in load_claims():
        if claim["chapter"] == number:
            lines.append(f"- **{claim['id']}**, {claim['short']}.")
            for check in claim["checks"]:
                ours, n, interval, judged = judge(check)
                numbers = ours if n in ("–", "exact") else f"{ours}, n = {n}"
                if interval != "–":
                    numbers = f"{ours}, {interval}, n = {n}"
                lines.append(f"  - {check['what']}: *{judged}*" + ("" if ours == NOT_MEASURED else f"; {numbers}"))
    return "\n".join(lines)


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
    difference, key = _compared(check)
    plan = check["compare"]
    if difference is None:
        return NOT_MEASURED, "–", "–", "open"
    study = key[0]
    left = results.metric(study, plan["left"], plan["metric"])
    right = results.metric(study, plan["right"], plan.get("right_metric", plan["metric"]))
    style = plan.get("style", ".1f")
    apart = signed(difference.estimate, f"+{style}")
    ours = f"{signed(left.mean, style)} − {signed(right.mean, style)} = {apart} (reduced)"
    p = primary_p_values(files.results_dir()).get(key)
    over_seeds = results.difference_over_seeds(study, *key[1:])
    judged = intervals.printed_verdict(intervals.verdict(difference, plan["claim"], p), over_seeds)
    planned = min(results.planned_seeds(study, plan[side]) for side in ("left", "right"))
    if intervals.LEAST_SEEDS <= difference.n < planned:
        interim = f"interim, {difference.n} of {planned} seeds"
        judged = f"{judged[:-1]}; {interim})" if judged.endswith(")") else f"{judged} ({interim})"
    if difference.n < intervals.LEAST_SEEDS:
        judged = f"not resolved ({'one seed' if difference.n == 1 else f'{difference.n} seeds'})"
    return ours, f"{left.n},\u00a0{right.n}", interval_text(difference, style), judged


def _tallied(check: dict) -> str:
    """A check's verdict as it is counted: one of `VERDICTS`."""
    judged = judge(check)[3]
    name = judged.partition(" (")[0]
    return f"{name} (provisional)" if "(provisional" in judged else name


def paper_text(check: dict) -> str:
    """The paper's own numbers for one check."""
    paper = check.get("paper")
    if paper is None:
        return "–"
    if "text" in paper:
        return paper["text"]
    printed = [markers.number(f"paper:{paper[side]}") for side in ("left", "right")]
    numbers = [float(text) for text in printed]
    decimals = max(len(text.partition(".")[2]) for text in printed)
    difference = signed(numbers[0] - numbers[1], f"+.{decimals}f")
    return f"{printed[0]} − {printed[1]} = {difference}"


def has_test(name: str) -> bool:
    """Whether `tests/file.py::function` is there; `make test` runs it."""
    path, _, function = name.partition("::")
    if not (ROOT / path).is_file():
        return False
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in tree.body)


@cache
def primary_p_values(folder: Path) -> dict[tuple, float]:
    """Holm's p-values of the comparisons that a study makes together: its primary ones, or a `family` by its name.

    `folder` holds the results.
    """
    found: dict[tuple[str, str], dict[tuple, float]] = {}
    for claim in load_claims():
        for check in claim["checks"]:
            difference, key = _compared(check)
            family = difference and ("primary" if check["compare"].get("primary") else check["compare"].get("family"))
            if family and not math.isnan(difference.p):
                found.setdefault((key[0], family), {})[key] = difference.p
    return {key: p for together in found.values() for key, p in intervals.holm(together).items()}


def _compared(check: dict) -> tuple[intervals.Interval | None, tuple]:
    """The difference of a check from the first of its studies that has it, and (study, left, right, metric)."""
    plan = check.get("compare")
    for study in plan["studies"] if plan else ():
        found = results.difference(study, plan["left"], plan["right"], plan["metric"], plan.get("right_metric"))
        if found:
            return found, (study, plan["left"], plan["right"], plan["metric"], plan.get("right_metric"))
    return None, ()


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


def _linked(text: str) -> str:
    return re.sub(r"\b([PVX]\d+)\b", lambda row: f"[{row[1]}](#ledger-{row[1].lower()})", text)


TABLES = {
    "claims": overview,
    "claims-details": details,
    "claims-summary": summary,
    **{f"claims-of-chapter-{number}": partial(chapter_claims, number) for number in CHAPTERS},
}
