"""Measurements that need no training: one program each, which writes its result to data/results/."""
