"""Weights in and out: our own files, the authors' released ones, torchvision's, a package's; and ONNX files."""

from drn_lib.lazy import attach

_HOMES = {
    "files": "find_shipped list_trained read_weights",
    "packages": "find_lite0 load_lite0",
    "weights": "load_any load_trained load_weights released_state_dict save_weights",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
