"""One training loop for classification and segmentation: recipes, batches, augmentation, logs, exact resume."""

from drn_lib.lazy import attach

_HOMES = {
    "ClassificationRecipe": "recipes",
    "Init": "classification",
    "list_recipes": "recipes",
    "recipe": "recipes",
    "Recipe": "recipes",
    "RunOptions": "loop",
    "SegmentationRecipe": "recipes",
    "train": "classification",
    "train_from_files": "classification",
    "Trained": "loop",
}

__all__ = list(_HOMES)  # noqa: PLE0604
__getattr__, __dir__ = attach(__name__, _HOMES)
