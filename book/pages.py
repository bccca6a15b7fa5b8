"""The generated parts of the pages: claims, paper against code, status. Everything in them comes from data/.

Each function gives Markdown; `TABLES` says by which name a page asks for it.
"""

from __future__ import annotations

import ast
import json
import math
import re
from functools import cache, partial
from pathlib import Path

import markers
import yaml
from number_text import NOT_MEASURED, interval_text, signed

from drn_lib import intervals, results
from drn_lib.names import display_name
from drn_lib.paths import paper_dir, results_dir, studies_dir

ROOT = Path(__file__).resolve().parent.parent

# What a reading of chapter numbers as words needs; a chapter is linked only once its notebook exists.
CHAPTERS = {
    0: "The tour",
    1: "Dilation arithmetic",
    2: "From ResNet to DRN-A",
    3: "Gridding",
    4: "Degridding",
    5: "Classification",
    6: "Localization",
    7: "Segmentation",
}

SURE = {
    "seen": "read in the paper's tables, figures, captions or equations, or line by line in the released code",
    "measured": "run with the released code on PyTorch",
    "computed": "follows by arithmetic from the layers",
    "second-hand": "told by reviews, notes or other repositories",
    "inferred": "our reasoning",
    "memory": "from memory, not yet looked up again",
}


def chapter_link(number: int) -> str:
    """A link to chapter `number`, or its title and "not written yet"."""
    found = sorted((ROOT / "notebooks").glob(f"{number:02d}_*.ipynb"))
    title = f"{number:02d} {CHAPTERS[number]}"
    return f"[{title}](../notebooks/{found[0].name})" if found else f"{title} (not written yet)"


def load_claims() -> list[dict]:
    """The claims of data/paper/claims.yml."""
    return yaml.safe_load((paper_dir() / "claims.yml").read_text(encoding="utf-8"))["claims"]


def load_ledger() -> dict:
    """The ledger of data/paper/paper_vs_code.yml."""
    return yaml.safe_load((paper_dir() / "paper_vs_code.yml").read_text(encoding="utf-8"))


@cache
def primary_p_values(folder: Path) -> dict[tuple, float]:
    """Holm's p-values of the claims' primary comparisons; those of one study are looked at together.

    `folder` holds the results.
    """
    found: dict[str, dict[tuple, float]] = {}
    for claim in load_claims():
        for check in claim["checks"]:
            difference, key = _compared(check)
            if difference and check["compare"].get("primary") and not math.isnan(difference.p):
                found.setdefault(key[0], {})[key] = difference.p
    return {key: p for of_study in found.values() for key, p in intervals.holm(of_study).items()}


def claims_table() -> str:
    """Every claim with its checks: the paper's number, ours, n, interval, verdict, chapter."""
    rows = []
    for claim in load_claims():
        for index, check in enumerate(claim["checks"]):
            ours, n, interval, judged = judge(check)
            head = f"**{claim['id']}**"
            if index == 0:
                head = f"**[{claim['id']}](#{claim['id'].lower()})** {claim['short']}"
            chapter = chapter_link(claim["chapter"]) if index == 0 else ""
            rows.append([head, check["what"], paper_text(check), ours, n, interval, judged, chapter])
    header = ["claim", "what is compared", "the paper", "ours", "n", "95 % interval", "verdict", "chapter"]
    return results.markdown_table(header, rows)


def claims_details() -> str:
    """Every claim in words: where it stands, how sure its wording is, what would settle it."""
    parts = []
    for claim in load_claims():
        parts.append(
            f"({claim['id'].lower()})=\n### {claim['id']}: {claim['short']}\n\n{claim['claim'].strip()}\n\n"
            f"- *Where:* {claim['where']} ({claim['sure']})\n"
            f"- *Chapter:* {chapter_link(claim['chapter'])}\n"
            f"- *What would settle it:* {_linked(claim['settle'].strip())}"
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
                numbers = ours if n in ("–", "exact") else f"{ours}, {interval}, n = {n}"
                lines.append(f"  - {check['what']}: *{judged}*" + ("" if ours == NOT_MEASURED else f"; {numbers}"))
    return "\n".join(lines)


def progress(study: str) -> str:
    """How many runs of each wave of a study's plan are done; the rest is still planned."""
    plan = yaml.safe_load((studies_dir() / f"{study}.yml").read_text(encoding="utf-8"))
    done = {f"{results.variant(run)}-s{run['seed']}" for run in results.runs(study)}
    rows = []
    for wave in plan["waves"]:
        planned = [f"{variant}-s{seed}" for variant in wave["variants"] for seed in wave["seeds"]]
        seeds = ", ".join(map(str, wave["seeds"]))
        title = wave["title"] + (" (if time is left)" if wave.get("optional") else "")
        rows.append([title, str(len(wave["variants"])), seeds, f"{len(done & set(planned))} of {len(planned)}"])
    return results.markdown_table(["wave", "networks", "seeds", "trainings done"], rows)


def pilot() -> str:
    """The pilot of the classification study: error on the tune part, mean of the last five epochs."""
    rows = []
    for study in ("first_networks", "classification_pilot"):
        for run in results.runs(study):
            last = [row["tune_top1"] for row in run["curve"][-5:]]
            recipe = run["recipe"]
            row = [f"{recipe['lr']:g}", str(recipe["epochs"]), f"{sum(last) / len(last):.1f}"]
            rows.append([display_name(run["architecture"]), *row, f"{run['curve'][-1]['train_loss']:.2f}"])
    rows.sort(key=lambda row: (row[0], float(row[1]), int(row[2])))
    header = ["network", "learning rate", "epochs", "top-1 error on the tune part, %", "training loss at the end"]
    return results.markdown_table(header, rows)


def claims_summary() -> str:
    """How many checks came out how."""
    counts: dict[str, int] = {}
    for claim in load_claims():
        for check in claim["checks"]:
            judged = judge(check)[3].partition(" (")[0]
            counts[judged] = counts.get(judged, 0) + 1
    return results.markdown_table(["verdict", "checks"], [[name, str(counts[name])] for name in sorted(counts)])


def judge(check: dict) -> tuple[str, str, str, str]:
    """What we found for one check: (ours, n, interval, verdict), each as text."""
    if "not_testable" in check:
        return check["not_testable"], "–", "–", "not testable here"
    if "planned" in check:
        return NOT_MEASURED, "–", "–", f"open ({check['planned']})"
    if "test" in check:
        exists = has_test(check["test"])
        return (check["shows"], "exact", "–", "supported") if exists else (NOT_MEASURED, "–", "–", "open")
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
    shown = [signed(value, style) for value in (left.mean, right.mean, difference.estimate)]
    ours = f"{shown[0]} − {shown[1]} = {shown[2]} (reduced)"
    p = primary_p_values(results_dir()).get(key)
    judged = intervals.verdict(difference, plan["claim"], p)
    if difference.n < intervals.LEAST_SEEDS:
        judged = f"not resolved ({'one seed' if difference.n == 1 else f'{difference.n} seeds'})"
    return ours, f"{left.n}, {right.n}", interval_text(difference, style), judged


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


def ledger() -> str:
    """The ledger of paper against code: one short section for each row, in the ledger's order."""
    parts = []
    for section in load_ledger()["sections"]:
        parts.append(f"## {section['title']}")
        if section.get("intro"):
            parts.append(section["intro"].strip())
        for row in section["rows"]:
            lines = [f"(ledger-{row['id'].lower()})=\n### {row['id']}: {row['title']}"]
            names = {
                "paper": "The paper",
                "code": "The released code",
                "against": "Against it",
                "finding": "Finding",
                "consequence": "Consequence",
                "decision": "Here",
                "source": "Source",
            }
            lines += [f"- *{label}:* {row[key].strip()}" for key, label in names.items() if row.get(key)]
            parts.append(lines[0] + "\n\n" + "\n".join(lines[1:]) + f"\n- *How sure:* {row['sure']}")
    return "\n\n".join(parts)


def sureness() -> str:
    """The words that say how sure a statement is."""
    return results.markdown_table(["word", "meaning"], [[word, meaning] for word, meaning in SURE.items()])


def times() -> str:
    """How long each chapter runs, from data/results/timings.json."""
    path = results_dir() / "timings.json"
    chapters = json.loads(path.read_text(encoding="utf-8"))["chapters"] if path.is_file() else {}
    rows = []
    for found in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        number = found.name[:2]
        time = chapters.get(number)
        cells = [NOT_MEASURED, "–", "–"]
        if time:
            cells = [f"{time['seconds']:.0f} s", str(time.get("device", "–")), str(time.get("torch", "–"))]
        rows.append([chapter_link(int(number)), *cells, NOT_MEASURED])
    return results.markdown_table(["chapter", "time", "on", "torch", "on a GPU"], rows)


def training_times() -> str:
    """How long each stored run trained, and where."""
    rows = []
    for folder in sorted(path for path in results_dir().iterdir() if path.is_dir()):
        for run in results.runs(folder.name):
            name = f"{display_name(results.variant(run))}, seed {run['seed']}"
            rows.append([folder.name, name, f"{run['seconds'] / 60:.0f} min", run["device"], run["torch"]])
    if not rows:
        return f"*Trainings: {NOT_MEASURED}.*"
    return results.markdown_table(["study", "network", "training", "on", "torch"], rows)


def versions() -> str:
    """The pinned versions that shape the book, from constraints.txt."""
    pinned = dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    lower = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    shown = "torch torchvision numpy scikit-image matplotlib safetensors jupyter-book sphinx nbval".split()
    return results.markdown_table(["package", "version"], [[name, lower.get(name, "not pinned")] for name in shown])


def _linked(text: str) -> str:
    return re.sub(r"\b([PVX]\d+)\b", lambda row: f"[{row[1]}](#ledger-{row[1].lower()})", text)


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


def _compared(check: dict) -> tuple[intervals.Interval | None, tuple]:
    """The difference of a check from the first of its studies that has it, and (study, left, right, metric)."""
    plan = check.get("compare")
    for study in plan["studies"] if plan else ():
        found = results.difference(study, plan["left"], plan["right"], plan["metric"], plan.get("right_metric"))
        if found:
            return found, (study, plan["left"], plan["right"], plan["metric"], plan.get("right_metric"))
    return None, ()


TABLES = {
    "claims": claims_table,
    "claims-details": claims_details,
    "claims-summary": claims_summary,
    "ledger": ledger,
    "sureness": sureness,
    "times": times,
    "training-times": training_times,
    "versions": versions,
    **{f"claims-of-chapter-{number}": partial(chapter_claims, number) for number in CHAPTERS},
    "pilot-classification": pilot,
    "progress-classification": partial(progress, "classification"),
    "progress-segmentation": partial(progress, "segmentation"),
}
