"""Size, jump, receptive field, cell edges and live taps of every map of a network; `table` and `trace` make them."""

from drn_lib.lazy import attach

_HOMES = {
    "Axis": "axis",
    "cell_edges": "axis",
    "dilated_extent": "axis",
    "Geometry": "grid",
    "Layer": "axis",
    "layers": "grid",
    "live_share": "axis",
    "live_taps": "axis",
    "output_size": "axis",
    "Place": "grid",
    "reach": "axis",
    "receptive_field": "grid",
    "Row": "grid",
    "table": "grid",
    "trace": "tracing",
}

__all__ = list(_HOMES)  # noqa: PLE0604
__getattr__, __dir__ = attach(__name__, _HOMES)
