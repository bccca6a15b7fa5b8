"""The functions of the exercises of chapter 07: solutions, random inputs, wrong answers. No torch."""

import numpy as np


def enlarge(scores, factor):
    places = (np.arange(factor * len(scores)) + 0.5) / factor - 0.5
    return np.interp(places, np.arange(len(scores)), scores)  # beyond the ends np.interp goes on with the last value


def _at(places, scores):
    return np.interp(places, np.arange(len(scores)), scores)


def _row_inputs(random):
    return random.integers(-9, 10, int(random.integers(3, 7))).astype(float), int(random.choice([2, 4, 8]))


def class_iou(confusion):
    hits = np.diag(confusion)
    return 100 * hits / (confusion.sum(axis=0) + confusion.sum(axis=1) - hits)


def _matrix_inputs(random):
    classes = int(random.integers(2, 5))
    return (random.integers(1, 50, (classes, classes)) + 40 * np.eye(classes, dtype=int),)


WRONG = {
    "_corners_aligned": lambda scores, factor: _at(np.linspace(0, len(scores) - 1, factor * len(scores)), scores),
    "_blocks": lambda scores, factor: np.repeat(scores, factor),
    "_no_half_pixel": lambda scores, factor: _at(np.arange(factor * len(scores)) / factor, scores),
    "_recall": lambda confusion: 100 * np.diag(confusion) / confusion.sum(axis=1),
    "_precision": lambda confusion: 100 * np.diag(confusion) / confusion.sum(axis=0),
    "_hits_twice": lambda confusion: 100 * np.diag(confusion) / (confusion.sum(axis=0) + confusion.sum(axis=1)),
}
