"""Image data sets: found, downloaded where that is possible, read, split; and synthetic ones."""

from drn_lib.lazy import attach

_HOMES = {
    "contract": "DataError DatasetNotFound",
    "base": "ImageDataset InMemory",
    "catalog": "list_datasets open_dataset",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
