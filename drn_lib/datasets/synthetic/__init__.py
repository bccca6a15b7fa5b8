"""Synthetic data sets: rendered shapes and street scenes with exact labels, at any size."""
