"""How a measured number becomes text, and what is said where it is not there. What markers and tables share."""

from __future__ import annotations

import difflib
import math

from book.studies import intervals, results
from drn_lib.architecture import list_models

NOT_MEASURED = "not yet measured"


class MarkerError(ValueError):
    """A comment whose key names nothing; the message says which and what there is."""


def sample(study: str, network: str, metric: str) -> intervals.Sample:
    """The values of a metric over seeds; an empty sample where it was not measured yet, an error for a wrong name."""
    if network not in (*list_models(), *results.planned_variants(study)):
        raise MarkerError(f"no network is called {network!r}, nor does {study} plan a variant of that name")
    values = results.metric(study, network, metric)
    found = results.runs(study, network)
    if found and not values.n:
        near = difflib.get_close_matches(metric, found[0].metrics, n=5, cutoff=0.3)
        raise MarkerError(f"{network} in {study} has no metric {metric!r}; names near it: {', '.join(near) or 'none'}")
    return values


def interval_text(interval: intervals.Interval, style: str = ".1f") -> str:
    """An interval in brackets that no line end breaks, or the reason why there is none."""
    if math.isnan(interval.low):
        return "one seed: no interval"
    return f"[{signed(interval.low, style)},\u00a0{signed(interval.high, style)}]"


def signed(value: float, style: str) -> str:
    """A number in a Python format, with a true minus sign."""
    text = format(value, style)
    return "−" + text[1:] if text.startswith("-") else text
