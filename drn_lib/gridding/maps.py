"""What every measure asks of the maps it is given."""

from __future__ import annotations

from torch import Tensor

from drn_lib.checks import require_finite, require_type


def require_maps(maps: Tensor, name: str = "the map") -> None:
    """Raise ValueError, which names them, where maps are not a tensor of real, finite numbers (..., H, W), or none."""
    require_type(maps, Tensor, name)
    if maps.ndim < 2:
        raise ValueError(f"{name} must be (..., H, W), not {tuple(maps.shape)}")
    if not maps.numel():
        raise ValueError("there is no map to measure")
    if maps.is_complex():
        raise ValueError(f"{name} must hold real numbers, not {maps.dtype}; take its absolute value or its real part")
    require_finite(maps, name)
