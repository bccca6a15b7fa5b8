"""What pages say of a number that is not there, and the values behind one that is. What markers and tables share."""

from __future__ import annotations

import difflib

from book.studies import intervals, results
from book.studies.reading import contrasts
from drn_lib.architecture import list_models

NOT_MEASURED = "not yet measured"


class MarkerError(ValueError):
    """A comment whose key names nothing; the message says which and what there is."""


def sample(study: str, network: str, metric: str) -> intervals.Sample:
    """The values of a metric over seeds; an empty sample where it was not measured yet, an error for a wrong name.

    `network` is of another study where it is called "STUDY/NAME".
    """
    study, network = contrasts.split(study, network)
    if network not in (*list_models(), *results.planned_variants(study), *results.variants(study)):
        raise MarkerError(f"no network is called {network!r}, nor does {study} plan a variant of that name")
    values = results.metric(study, network, metric)
    found = results.runs(study, network)
    if found and not values.n:
        near = difflib.get_close_matches(metric, found[0].metrics, n=5, cutoff=0.3)
        raise MarkerError(f"{network} in {study} has no metric {metric!r}; names near it: {', '.join(near) or 'none'}")
    return values
