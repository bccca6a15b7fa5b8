"""How fast the networks run, side by side: `make bench` measures and writes data/results/bench.json."""
