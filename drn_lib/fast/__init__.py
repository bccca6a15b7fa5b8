"""The same networks with fewer multiplications: Winograd's minimal filtering on the sub-lattices of dilation."""

from drn_lib.lazy import attach

_HOMES = {"layers": "accelerate restore", "engines": "find_engine Unavailable"}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
