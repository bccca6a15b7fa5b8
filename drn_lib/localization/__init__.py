"""Boxes and points from the score map of a classifier that was trained on image labels only."""

from drn_lib.lazy import attach

_HOMES = {
    "options": "BoxOptions",
    "equations": "boxes class_evidence class_map localize map_jump peak_points pooled_logits tight_boxes",
    "cam": "cam_boxes",
    "photographs": "class_index find_object",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
