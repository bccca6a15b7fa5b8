"""Semantic segmentation: a network that gives one label per pixel, its training, inference and scores."""

from drn_lib.lazy import attach

_HOMES = {
    "inference": "predict_labels predict_probabilities",
    "network": "load_segmentation make_backbone save_segmentation SegmentationNetwork upsample",
    "options": "Inference",
    "scores": "score_segmentation",
    "training": "train_segmentation",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
