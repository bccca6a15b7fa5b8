"""The functions of the exercises of chapter 06: solutions, random inputs, wrong answers. No torch."""

import numpy as np


def iou(found, true):
    width = min(found[2], true[2]) - max(found[0], true[0])
    height = min(found[3], true[3]) - max(found[1], true[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (found, true)]
    return shared / (sum(areas) - shared)


def _iou_without_clip(found, true):
    width = min(found[2], true[2]) - max(found[0], true[0])
    height = min(found[3], true[3]) - max(found[1], true[1])
    return width * height / (_area(found) + _area(true) - width * height)


def _area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def _box_inputs(random):
    """Two boxes that mostly overlap; in some pairs they are apart along both axes."""

    def box(low, high):
        x0, y0 = random.integers(low, high, 2)
        return int(x0), int(y0), int(x0 + random.integers(4, 20)), int(y0 + random.integers(4, 20))

    apart = random.random() < 0.3
    return box(0, 12), box(40, 50) if apart else box(0, 12)


def tight_box(cells, jump):
    rows, columns = np.nonzero(cells)
    return jump * columns.min(), jump * rows.min(), jump * (columns.max() + 1), jump * (rows.max() + 1)


def _short_by_a_cell(cells, jump):
    rows, columns = np.nonzero(cells)
    return jump * columns.min(), jump * rows.min(), jump * columns.max(), jump * rows.max()


def _cell_inputs(random):
    cells = random.random((int(random.integers(4, 8)), int(random.integers(8, 12)))) < 0.08
    cells[random.integers(0, cells.shape[0]), random.integers(0, cells.shape[1])] = True  # at least one
    return cells, int(random.choice([8, 16, 32]))


WRONG = {
    "_shared_over_sum": lambda found, true: iou(found, true) / (1 + iou(found, true)),
    "_shared_over_true": lambda found, true: (
        iou(found, true) * (_area(found) + _area(true)) / (1 + iou(found, true)) / _area(true)
    ),
    "_axes_swapped": lambda cells, jump: tuple(tight_box(cells, jump)[edge] for edge in (1, 0, 3, 2)),
    "_in_cells": lambda cells, jump: tight_box(cells, 1),
}
