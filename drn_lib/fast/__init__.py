"""The same networks with fewer multiplications: Winograd's minimal filtering on the sub-lattices of dilation."""

from drn_lib.lazy import attach

_HOMES = {
    "networks": "accelerate engine_of identity restore",
    "build": "Unavailable",
    "operations": "direct normalize winograd",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
