"""Scores of a whole set: top-1 and top-5 error, confusion matrix, mean IoU."""

from drn_lib.lazy import attach

_HOMES = {
    "class_iou": "confusion",
    "confusion_matrix": "confusion",
    "evaluate": "classification",
    "evaluate_files": "classification",
    "miou": "confusion",
    "miou_official": "confusion",
    "pixel_accuracy": "confusion",
    "predict": "classification",
    "topk_error": "classification",
}

__all__ = list(_HOMES)  # noqa: PLE0604
__getattr__, __dir__ = attach(__name__, _HOMES)
