"""Tables of the classification study that no general key makes: costs, losses, where test images come from, others."""

from __future__ import annotations

import math

import numpy as np

from book.numbers.tables import common
from book.numbers.tables.common import interval_cell
from book.numbers.text import NOT_MEASURED
from book.studies import cache, files, intervals, results, summaries
from book.studies.evidence import families
from book.studies.evidence.families import Comparison
from book.studies.metrics import signed
from drn_lib.datasets.splits import read_partition
from drn_lib.names import display_name

STUDY = "classification"
RESNETS = ("resnet_18", "resnet_18_wide", "resnet_18_large", "resnet_18_128px")
RULES = ("exact", "levels", "released")
PRIMARY = (("drn_a_18", "resnet_18"), ("drn_b_26", "drn_a_18"), ("drn_c_26", "drn_b_26"))
TOP1, LOSS = "final.test.top1", "final.test.loss"
OFFICIAL = "val_"
"""So begins the name of an image from the archive's validation part."""


def dilated_afterwards() -> str:
    """Every trained ResNet dilated under each rule: change of its top-1 error, seed by seed, and lattice energy."""
    lines = []
    for name in (name for name in RESNETS if results.runs(STUDY, name)):
        for rule in RULES:
            change = results.difference(STUDY, name, name, f"posthoc.{rule}.test.top1", TOP1)
            energy = intervals.student_t(results.metric(STUDY, name, f"posthoc.{rule}.lattice_energy.score_map"))
            cells = [interval_cell(change, ".1f", "+"), interval_cell(energy, ".3f")]
            lines.append([display_name(name), f"*{rule}*", str(change.n), *cells])
    if not lines:
        return f"*These networks of the study `{STUDY}` are {NOT_MEASURED}.*"
    header = [
        "network",
        "rule",
        "seeds",
        "top-1 error, dilated − as trained, points",
        "lattice energy of the score map",
    ]
    return results.markdown_table(header, lines)


def what_it_would_take() -> str:
    """For each primary comparison: how far its interval reaches to each side now, with more seeds, and with no end."""
    more, lines = (10, 20), []
    for left, right in PRIMARY:
        wrong = [results.wrong(STUDY, name, TOP1) for name in (left, right)]
        found = results.difference(STUDY, left, right, TOP1)
        if found is None or found.n < 2 or any(side is None for side in wrong):
            return f"*These networks of the study `{STUDY}` are {NOT_MEASURED}.*"
        reach = [intervals.expected_reach(*wrong, seeds) for seeds in (*more, math.inf)]
        now = f"{(found.high - found.low) / 2:.1f}"
        names = f"{display_name(left)} − {display_name(right)}"
        lines.append([names, str(found.n), signed(found.estimate, "+.1f"), now, *(f"{one:.1f}" for one in reach)])
    header = ["difference", "seeds", "top-1 error, points", "reach now"]
    header += [*(f"with {seeds} seeds a side" for seeds in more), "with any number of seeds"]
    return results.markdown_table(header, lines)


def networks() -> str:
    """Every network of the study with its parameters, multiply-adds and live taps, group by group."""
    rows = summaries.summarize(STUDY, [], common.members(STUDY, common.GROUPS))
    if not rows:
        return f"*The study `{STUDY}` is {NOT_MEASURED}.*"
    return results.markdown_table(["network", *common.COSTS], [[row.name, *common.cost_cells(row)] for row in rows])


def losses() -> str:
    """Differences in test cross-entropy, over seeds and images, and in training loss, over seeds."""
    rows = summaries.compare(STUDY, [*PRIMARY, ("drn_a_18_released", "drn_a_18")], LOSS)
    if not rows:
        return f"*These networks of the study `{STUDY}` are {NOT_MEASURED}.*"
    lines = []
    for row in rows:
        sides = [summaries.values(STUDY, name, summaries.TRAINING_LOSS) for name in (row.left, row.right)]
        counts = ", ".join(dict.fromkeys(str(side.n) for side in sides))
        cells = [interval_cell(row.difference, ".3f", "+"), common.p_text(row.p_adjusted)]
        training = interval_cell(intervals.student_t_difference(*sides), ".3f", "+")
        lines.append([f"{display_name(row.left)} − {display_name(row.right)}", counts, *cells, training])
    header = ["difference", "seeds", "test cross-entropy, nats, 95 % over seeds and images", "p (Holm)"]
    return results.markdown_table([*header, "training loss, nats, 95 % over seeds"], lines)


def official() -> np.ndarray:
    """Which of the test images are of the archive's validation part; the others are of its training part."""
    return np.array([file.startswith(OFFICIAL) for _, file in read_partition("tiny-imagenet-20").part("test")])


def by_source() -> str:
    """The primary comparisons on all test images, on the archive's validation images and on the others."""
    from_val = official()
    parts = {"all": from_val | True, "official validation images": from_val, "the others": ~from_val}
    found = {title: _compared(mask) for title, mask in parts.items()}
    if not all(found.values()):
        return f"*These networks of the study `{STUDY}` are {NOT_MEASURED}.*"
    lines = []
    for rows in zip(*found.values(), strict=True):
        cells = []
        for row in rows:
            cells += [interval_cell(row.difference, ".1f", "+"), row.judged("less")]
        lines.append([f"{display_name(rows[0].left)} − {display_name(rows[0].right)}", *cells])
    header = ["top-1 error, points"]
    for title, mask in parts.items():
        header += [f"{title}, {mask.sum():,}", "fewer errors?"]
    return results.markdown_table(header, lines)


def _compared(mask: np.ndarray) -> list[Comparison]:
    """The primary comparisons on the images of a mask, with Holm's p over them; none where one was not measured."""
    wrong = {name: results.wrong(STUDY, name, TOP1) for pair in PRIMARY for name in pair}
    if any(one is None or len(one) < 2 for one in wrong.values()):
        return []
    if any(one.shape[1] != len(mask) for one in wrong.values()):
        raise files.ResultsError(f"the runs of {STUDY} were not scored on the {len(mask)} test images of their split")
    both = {pair: cache.bootstrap_difference(*(wrong[name][:, mask] for name in pair)) for pair in PRIMARY}
    adjusted, rows = families.corrected(both), []
    for pair, difference in both.items():
        errors = [100 * wrong[name][:, mask].mean(axis=1) for name in pair]
        sides = [intervals.Sample(tuple(range(len(one))), tuple(map(float, one))) for one in errors]
        rows.append(Comparison(*pair, difference, intervals.student_t_difference(*sides), adjusted[pair]))
    return rows


TABLES = {
    "classification-networks": networks,
    "classification-losses": losses,
    "classification-by-source": by_source,
    "dilated-afterwards": dilated_afterwards,
    "what-it-would-take": what_it_would_take,
}
