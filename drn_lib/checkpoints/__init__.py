"""Weights in and out: our own files, the authors' released ones, torchvision's; and ONNX files."""

from drn_lib.lazy import attach

_HOMES = {
    "find_shipped": "files",
    "list_trained": "files",
    "load_any": "weights",
    "load_trained": "weights",
    "load_weights": "weights",
    "read_weights": "files",
    "released_state_dict": "weights",
    "save_weights": "weights",
}

__all__ = list(_HOMES)  # noqa: PLE0604
__getattr__, __dir__ = attach(__name__, _HOMES)
