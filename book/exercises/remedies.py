"""The functions of the exercises of chapter 09: solutions, random inputs, wrong answers. No torch."""

import math


def largest_dilation(dilations):
    return 1 + 2 * sum(dilations)


def _gapless_inputs(random):
    dilations = []
    for _ in range(int(random.integers(1, 5))):
        dilations.append(int(random.integers(1, 2 + 2 * sum(dilations))))
    return (dilations,)


def shared_cells(dilations):
    cells = {0}
    for d in dilations:
        cells = {cell + step for cell in cells for step in (-d, 0, d)}
    return len(cells & {cell + 1 for cell in cells})


def _read(dilations):
    cells = {0}
    for d in dilations:
        cells = {cell + step for cell in cells for step in (-d, 0, d)}
    return cells


def _any_inputs(random):
    kinds = ([2, 4, 4], [5, 7], [3, 5], [1, 4], [6, 9, 3], [7, 9], [2, 3])
    if random.random() < 0.5:
        return (list(kinds[int(random.integers(len(kinds)))]),)
    return ([int(d) for d in random.integers(2, 10, size=int(random.integers(2, 4)))],)


WRONG = {
    "_the_sum": lambda dilations: sum(dilations),
    "_half_the_span": lambda dilations: 1 + sum(dilations),
    "_even_span": lambda dilations: 2 * sum(dilations),
    "_no_common_factor": lambda dilations: len(_read(dilations)) - 1 if math.gcd(*dilations) == 1 else 0,
    "_all_cells": lambda dilations: len(_read(dilations)),
    "_two_apart": lambda dilations: len(_read(dilations) & {cell + 2 for cell in _read(dilations)}),
}
