"""Every network of the book as a table of levels, and its convolutions row by row. No torch here."""

from drn_lib.lazy import attach

_HOMES = {
    "tables": "Architecture block_convolutions Convolution convolutions Filter filters Level require_buildable "
    "scale_width Stem",
    "families": "architecture DILATION_RULES dilation_rules first_dilation list_ablations list_models list_networks "
    "list_remedies width_of widths",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
