"""Boxes and points from the score map of a classifier that was trained on image labels only."""

from drn_lib.lazy import attach

_HOMES = {
    "BoxOptions": "options",
    "boxes": "equations",
    "cam_boxes": "cam",
    "class_evidence": "equations",
    "class_index": "photographs",
    "class_map": "equations",
    "find_object": "photographs",
    "localize": "equations",
    "map_jump": "equations",
    "peak_points": "equations",
    "pooled_logits": "equations",
    "tight_boxes": "equations",
}

__all__ = list(_HOMES)  # noqa: PLE0604
__getattr__, __dir__ = attach(__name__, _HOMES)
