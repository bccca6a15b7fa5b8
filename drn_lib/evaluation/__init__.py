"""Scores of a whole set: top-1 and top-5 error, confusion matrix, mean IoU."""

from drn_lib.lazy import attach

_HOMES = {
    "confusion": "class_iou confusion_matrix miou miou_official pixel_accuracy",
    "classification": "evaluate evaluate_files predict topk_error topk_hits",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
