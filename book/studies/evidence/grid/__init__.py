"""The grid in the maps of trained networks: its contrasts, and what was predicted of them. No torch."""
