"""Image data sets: found, downloaded where that is possible, read, split; and synthetic ones."""

from drn_lib.lazy import attach

_HOMES = {
    "DataError": "contract",
    "DatasetNotFound": "contract",
    "ImageDataset": "base",
    "InMemory": "base",
    "list_datasets": "catalog",
    "open_dataset": "catalog",
}

__all__ = list(_HOMES)  # noqa: PLE0604
__getattr__, __dir__ = attach(__name__, _HOMES)
