"""Tables of the classification study that no general key makes: ResNets dilated afterwards, and what it would take."""

from __future__ import annotations

import math

from book.numbers.tables.common import interval_cell
from book.numbers.text import NOT_MEASURED
from book.studies import intervals, results
from book.studies.metrics import signed
from drn_lib.names import display_name

STUDY = "classification"
RESNETS = ("resnet_18", "resnet_18_wide", "resnet_18_large", "resnet_18_128px")
RULES = ("exact", "levels", "released")
PRIMARY = (("drn_a_18", "resnet_18"), ("drn_b_26", "drn_a_18"), ("drn_c_26", "drn_b_26"))
TOP1 = "final.test.top1"


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


TABLES = {"dilated-afterwards": dilated_afterwards, "what-it-would-take": what_it_would_take}
