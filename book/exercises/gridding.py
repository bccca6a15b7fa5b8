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


def _c(row, k):
    return (row[: len(row) - k] * row[k:]).mean()


def contrast(row, p):
    before, at, after = (_c(row, k) / _c(row, 0) for k in (p - 1, p, p + 1))
    return at - (before + after) / 2


def _contrast_of_sums(row, p):
    before, at, after = ((row[: len(row) - k] * row[k:]).sum() / (row * row).sum() for k in (p - 1, p, p + 1))
    return at - (before + after) / 2


def _row_inputs(random):
    p = int(random.integers(2, 5))
    row = random.normal(size=int(random.integers(12, 20)))
    return row - row.mean(), p


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
    "_contrast_of_sums": _contrast_of_sums,
    "_contrast_not_divided": lambda row, p: contrast(row, p) * _c(row, 0),
    "_height_only": lambda row, p: _c(row, p) / _c(row, 0),
    "_the_extent": lambda dilations: 1 + 2 * sum(dilations),
    "_all_paths": lambda dilations: 3 ** len(dilations),
    "_taps_in_a_row": lambda dilations: 1 + 2 * len(dilations),
    "_gain_undilated": lambda dilations, frequency: gain([1] * len(dilations), frequency),
    "_gain_summed": lambda dilations, frequency: float(sum(gain([d], frequency) for d in dilations)),
    "_gain_divided": lambda dilations, frequency: gain([1 / d for d in dilations], frequency),
}
