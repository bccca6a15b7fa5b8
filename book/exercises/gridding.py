"""The functions of the exercises of chapters 03 and 04: solutions, random inputs, wrong answers. No torch."""

import numpy as np


def split(x, d):
    return [x[i::d, j::d] for i in range(d) for j in range(d)]


def _blocks(x, d):
    rows, columns = x.shape[0] // d, x.shape[1] // d
    return [x[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns] for i in range(d) for j in range(d)]


def _split_inputs(random):
    d = int(random.integers(2, 5))
    side = d * int(random.integers(2, 5))
    return random.normal(size=(side, side)), d


def lattice_tile(x, p):
    average = np.array([[x[i::p, j::p].mean() for j in range(p)] for i in range(p)])
    return average - average.mean()


def _means_of_blocks(x, p):
    average = x.reshape(p, x.shape[0] // p, p, x.shape[1] // p).mean(axis=(1, 3))
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


def _dilations(random):
    return ([int(random.choice([1, 2, 4, 8])) for _ in range(int(random.integers(1, 6)))],)


def gain(dilations, frequency):
    product = 1.0
    for d in dilations:
        product *= 0.5 + 0.5 * np.cos(2 * np.pi * frequency * d)
    return float(product)


def _gain_inputs(random):
    return [int(random.choice([1, 2, 4])) for _ in range(int(random.integers(2, 5)))], float(random.uniform(0.05, 0.5))


WRONG = {
    "_columns_first": lambda x, d: [x[i::d, j::d] for j in range(d) for i in range(d)],
    "_diagonal_only": lambda x, d: [x[i::d, i::d] for i in range(d) for _ in range(d)],
    "_with_the_mean": lambda x, p: lattice_tile(x, p) + x.mean(),
    "_first_tile": lambda x, p: x[:p, :p] - x[:p, :p].mean(),
    "_the_extent": lambda dilations: 1 + 2 * sum(dilations),
    "_all_paths": lambda dilations: 3 ** len(dilations),
    "_taps_in_a_row": lambda dilations: 1 + 2 * len(dilations),
    "_gain_undilated": lambda dilations, frequency: gain([1] * len(dilations), frequency),
    "_gain_summed": lambda dilations, frequency: float(sum(gain([d], frequency) for d in dilations)),
    "_gain_divided": lambda dilations, frequency: gain([1 / d for d in dilations], frequency),
}
