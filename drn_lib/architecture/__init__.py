"""Every network of the book as a table of levels, and its convolutions row by row. No torch here."""

from drn_lib.lazy import attach

_HOMES = {
    "Architecture": "tables",
    "architecture": "families",
    "block_convolutions": "tables",
    "CHANNEL_STEP": "tables",
    "Convolution": "tables",
    "convolutions": "tables",
    "DILATION_RULES": "families",
    "dilation_rules": "families",
    "first_dilation": "families",
    "Level": "tables",
    "list_ablations": "families",
    "list_models": "families",
    "scale_width": "tables",
    "Stem": "tables",
}

__all__ = list(_HOMES)  # noqa: PLE0604
__getattr__, __dir__ = attach(__name__, _HOMES)
