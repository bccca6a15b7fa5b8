"""The measure of a grid: how it was chosen, and what it says of trained networks."""
