"""One training loop for classification and segmentation: recipes, batches, augmentation, logs, exact resume."""

from drn_lib.lazy import attach

_HOMES = {
    "recipes": "ClassificationRecipe list_recipes recipe Recipe SegmentationRecipe",
    "classification": "Init train train_from_files",
    "loop": "RunOptions Trained",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
