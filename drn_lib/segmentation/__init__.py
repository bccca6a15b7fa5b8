"""Semantic segmentation: a network that gives one label per pixel, its training, inference and scores."""

from drn_lib.lazy import attach

_HOMES = {
    "Inference": "inference",
    "load_segmentation": "network",
    "make_backbone": "network",
    "predict_labels": "inference",
    "predict_probabilities": "inference",
    "save_segmentation": "network",
    "score_segmentation": "scores",
    "SegmentationNetwork": "network",
    "train_segmentation": "training",
    "upsample": "network",
}

__all__ = list(_HOMES)  # noqa: PLE0604
__getattr__, __dir__ = attach(__name__, _HOMES)
