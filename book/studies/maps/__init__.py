"""What is read off the maps of trained networks, without training: grids, and what a fixed blur does to them."""
