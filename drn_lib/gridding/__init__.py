"""Gridding: its cause (the sub-lattice identity) and its measures (grid contrast, lattice energy, power spectrum)."""

from drn_lib.lazy import attach

_HOMES = {
    "sublattices": "split_sublattices merge_sublattices undilated sublattice_forward",
    "lattice": "lattice_energy lattice_fraction white_noise_energy lattice_energy_by_level",
    "correlation": "autocorrelation autocorrelation_by_level",
    "contrast": "grid_contrast contrast_of",
    "smoothing": "low_pass",
    "spectrum": "radial_power_spectrum",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
