"""The generated parts of the pages: claims, paper against code, status. Everything in them comes from data/.

Each function gives Markdown; `TABLES` says by which name a page asks for it.
"""

from __future__ import annotations

import json
import re
from functools import cache, partial

from book import ROOT
from book.chapters import road
from book.numbers.tables import planned
from book.numbers.text import NOT_MEASURED
from book.studies import files, plans, results
from book.studies.reading.records import StoredRun
from drn_lib.checks import one_of
from drn_lib.names import display_name
from drn_lib.paths import paper_dir

CONFIDENCE = {
    "seen": "read in the paper's tables, figures, captions or equations, or line by line in the released code",
    "measured": "run with the released code on PyTorch",
    "computed": "follows by arithmetic from the layers",
    "second-hand": "told by reviews, notes or other repositories",
    "inferred": "our reasoning",
    "memory": "from memory, not yet looked up again",
}


STUDIES = {**planned.STUDIES, "engines": "Training with the fast engine", "pictures": "A network for one picture"}
"""How the page calls the studies whose names say too little; those with predictions as the page of predictions does."""


def chapter_link(number: int) -> str:
    """A link to chapter `number`; ValueError where there is no such chapter."""
    return _links()[one_of("chapter", f"{number:02d}", _links())]


@cache
def _links() -> dict[str, str]:
    return {one.number: f"[{one.number} {one.title}](../notebooks/{one.file})" for one in road.chapters()}


def load_ledger() -> dict:
    """The ledger of data/paper/paper_vs_code.yml."""
    return files.read_yaml(paper_dir() / "paper_vs_code.yml")


def progress(study: str) -> str:
    """How many runs of each wave of a study's plan are done; the rest is still planned."""
    plan = plans.load_plan(study)
    done = {run.name for run in results.runs(study)}
    rows = []
    for wave in plan.waves:
        planned = {plan.run_name(variant, seed) for variant in wave.variants for seed in wave.seeds}
        title = wave.title + (" (if time is left)" if wave.optional else "")
        done_here = f"{len(done & planned)} of {len(planned)}"
        rows.append([title, str(len(wave.variants)), ", ".join(map(str, wave.seeds)), done_here])
    return results.markdown_table(["wave", "networks", "seeds", "trainings done"], rows)


def pilot() -> str:
    """The pilot of the classification study: error on the validation split, mean of the last five epochs."""
    rows = []
    for study in ("first_networks", "classification_pilot"):
        for run in results.runs(study):
            last = [row["tune_top1"] for row in run.curve[-5:]]
            recipe = run.recipe
            row = [f"{recipe['lr']:g}", str(recipe["epochs"]), f"{sum(last) / len(last):.1f}"]
            rows.append([display_name(run.architecture), *row, f"{run.curve[-1]['train_loss']:.2f}"])
    rows.sort(key=lambda row: (row[0], float(row[1]), int(row[2])))
    header = ["network", "learning rate", "epochs", "top-1 error on validation, %", "training loss at the end"]
    return results.markdown_table(header, rows)


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


def ledger_contents() -> str:
    """Every row of the ledger in a line with a link, by what it changes, the gravest first."""
    found = load_ledger()
    titles = {row["id"]: row["title"] for section in found["sections"] for row in section["rows"]}
    parts = []
    for part in found["contents"]:
        lines = [f"- [{name}](#ledger-{name.lower()}): {titles[name]}" for name in part["rows"]]
        parts.append(f"### {part['title']}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def confidence() -> str:
    """The words that say how much a statement is trusted."""
    return results.markdown_table(["word", "meaning"], [[word, meaning] for word, meaning in CONFIDENCE.items()])


def times() -> str:
    """How long each chapter runs, from data/results/timings.json."""
    path = files.results_dir() / "timings.json"
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
    """How long each stored run trained, and where, folded study by study; of runs that trained nothing no word."""
    parts = []
    for folder in sorted(path for path in files.results_dir().iterdir() if path.is_dir()):
        trained = [run for run in results.runs(folder.name) if run.curve]
        if trained:
            parts.append(_folded_times(folder.name, trained))
    return "\n\n".join(parts) or f"*Trainings: {NOT_MEASURED}.*"


def _folded_times(study: str, trained: list[StoredRun]) -> str:
    rows = []
    for run in trained:
        name = f"{display_name(run.variant)}, seed {run.seed}"
        rows.append([name, f"{run.seconds / 60:.0f} min", run.device, run.torch])
    count = "1 training" if len(trained) == 1 else f"{len(trained)} trainings"
    hours = sum(run.seconds for run in trained) / 3600
    name = STUDIES.get(study, study.replace("_", " ").capitalize())
    title = f"{name}: {count}, {hours:.1f} hours in all"
    table = results.markdown_table(["network", "training", "on", "torch"], rows)
    return f":::{{dropdown}} {title}\n{table}\n:::"


def versions() -> str:
    """The pinned versions that shape the book, from constraints.txt."""
    pinned = dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    lower = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    shown = "torch torchvision numpy scikit-image matplotlib safetensors jupyter-book sphinx nbval".split()
    return results.markdown_table(["package", "version"], [[name, lower.get(name, "not pinned")] for name in shown])


TABLES = {
    "ledger": ledger,
    "ledger-contents": ledger_contents,
    "confidence": confidence,
    "times": times,
    "training-times": training_times,
    "versions": versions,
    "pilot-classification": pilot,
    "progress-classification": partial(progress, "classification"),
    "progress-segmentation": partial(progress, "segmentation"),
}
