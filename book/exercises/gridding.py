"""The functions of the exercises of chapters 03 and 04: solutions, known mistakes, random inputs. No torch."""

from __future__ import annotations

import numpy as np


def split(x, d):
    return [x[i::d, j::d] for i in range(d) for j in range(d)]


def _blocks(x, d):
    rows, columns = x.shape[0] // d, x.shape[1] // d
    return [x[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns] for i in range(d) for j in range(d)]


def _columns_first(x, d):
    return [x[i::d, j::d] for j in range(d) for i in range(d)]


def _diagonal_only(x, d):
    return [x[i::d, i::d] for i in range(d) for _ in range(d)]


def _split_inputs(random):
    d = int(random.integers(2, 5))
    side = d * int(random.integers(2, 5))
    return random.normal(size=(side, side)), d


def lattice_tile(x, p):
    average = np.array([[x[i::p, j::p].mean() for j in range(p)] for i in range(p)])
    return average - average.mean()


def _with_the_mean(x, p):
    return lattice_tile(x, p) + x.mean()


def _first_tile(x, p):
    return x[:p, :p] - x[:p, :p].mean()


def _means_of_blocks(x, p):
    rows, columns = x.shape[0] // p, x.shape[1] // p
    average = x.reshape(p, rows, p, columns).mean(axis=(1, 3))
    return average - average.mean()


def _tile_inputs(random):
    p = int(random.integers(2, 5))
    side = p * int(random.integers(3, 6))
    return random.normal(size=(side, side)), p


def cells_read(dilations):
    offsets = {0}
    for d in dilations:
        offsets = {offset + step for offset in offsets for step in (-d, 0, d)}
    return len(offsets)


def _the_extent(dilations):
    return 1 + 2 * sum(dilations)


def _all_paths(dilations):
    return 3 ** len(dilations)


def _taps_in_a_row(dilations):
    return 1 + 2 * len(dilations)


def _dilations(random):
    return ([int(random.choice([1, 2, 4, 8])) for _ in range(int(random.integers(1, 6)))],)


def gain(dilations, frequency):
    product = 1.0
    for d in dilations:
        product *= 0.5 + 0.5 * np.cos(2 * np.pi * frequency * d)
    return float(product)


def _gain_undilated(dilations, frequency):
    return gain([1] * len(dilations), frequency)


def _gain_summed(dilations, frequency):
    return float(sum(gain([d], frequency) for d in dilations))


def _gain_divided(dilations, frequency):
    return gain([1 / d for d in dilations], frequency)


def _gain_inputs(random):
    return [int(random.choice([1, 2, 4])) for _ in range(int(random.integers(2, 5)))], float(random.uniform(0.05, 0.5))
