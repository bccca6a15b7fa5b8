"""Where a cell of a map looks: output size, jump, receptive field, start, cell edges, live taps.

Everything follows from one row per layer, axis by axis. Cell i of a map reads the input pixels from
``first + i * jump`` to ``last + i * jump``; a layer with kernel k, stride s, dilation d and padding p makes

    size  <- floor((size + 2p - d(k - 1) - 1) / s) + 1
    first <- first - p * jump
    last  <- last + (d(k - 1) - p) * jump
    jump  <- s * jump

and where branches meet (a residual sum, a concatenation) the smallest `first` and the largest `last` win: the longest
path. The receptive field is ``last - first + 1``. Chapter 01 derives these lines.

    >>> from drn_lib import geometry
    >>> geometry.receptive_field("drn_c_26")
    581
    >>> geometry.table("drn_c_26", 224).levels[6].size
    (28, 28)

`table` needs no torch; `trace` reads the same numbers off any torch module.
"""

from drn_lib.lazy import attach

_HOMES = {
    "axis": "Axis cell_edges dilated_extent Layer live_fraction live_taps output_size reach",
    "records": "Geometry Place Row",
    "grid": "layers receptive_field table",
    "tracing": "cell_centre trace",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
