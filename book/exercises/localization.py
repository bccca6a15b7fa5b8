"""The exercises of chapter 06: overlap, tight boxes, what a grid allows, controls. No torch."""

from __future__ import annotations

import numpy as np

from book.exercises.exercise import Exercise, Mistake


def _sides(box):
    x0, y0, x1, y1 = box
    return max(0.0, x1 - x0), max(0.0, y1 - y0)


def iou(found, true):
    width = min(found[2], true[2]) - max(found[0], true[0])
    height = min(found[3], true[3]) - max(found[1], true[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (found, true)]
    return shared / (sum(areas) - shared)


def _iou_without_clip(found, true):
    width = min(found[2], true[2]) - max(found[0], true[0])
    height = min(found[3], true[3]) - max(found[1], true[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (found, true)]
    return width * height / (sum(areas) - width * height)


def _shared_over_sum(found, true):
    overlap = iou(found, true)
    return overlap / (1 + overlap)


def _shared_over_true(found, true):
    overlap = iou(found, true)
    (w, h), (a, b) = _sides(found), _sides(true)
    shared = overlap * (w * h + a * b) / (1 + overlap)
    return shared / (a * b)


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


def _axes_swapped(cells, jump):
    x0, y0, x1, y1 = tight_box(cells, jump)
    return y0, x0, y1, x1


def _in_cells(cells, jump):
    return tight_box(cells, 1)


def _cell_inputs(random):
    cells = random.random((int(random.integers(4, 8)), int(random.integers(8, 12)))) < 0.08
    cells[random.integers(0, cells.shape[0]), random.integers(0, cells.shape[1])] = True  # at least one
    return cells, int(random.choice([8, 16, 32]))


DENSE = "the trained ResNet-18, dilated afterwards by the exact rule"

EXERCISES = (
    Exercise(
        name="overlap",
        chapter=6,
        task="Write iou(found, true): the intersection over union of two boxes (x0, y0, x1, y1) in pixel edges. Boxes "
        "that do not meet overlap by 0.",
        solution=iou,
        explanation="The shared rectangle reaches from the larger of the low edges to the smaller of the high ones; "
        "union is one area plus the other, less what is shared.",
        hints=(
            "Along x the boxes share what lies between max(x0, x0') and min(x1, x1').",
            "The union counts the shared part once: area + area - shared.",
        ),
        mistakes=(
            Mistake(_iou_without_clip, "Boxes that are apart along both axes share nothing: clip both sides at 0."),
            Mistake(_shared_over_sum, "The sum of the areas counts the shared part twice."),
            Mistake(_shared_over_true, "That is the share of the true box that is covered; a huge box covers it all."),
        ),
        inputs=_box_inputs,
    ),
    Exercise(
        name="tight-box",
        chapter=6,
        task="Write tight_box(cells, jump): the box (x0, y0, x1, y1), in pixel edges, around all True cells of a "
        "boolean array (rows, columns), where cell i of an axis stands for the pixels [jump i, jump (i + 1)).",
        solution=tight_box,
        explanation="From the left edge of the first column that holds a cell to the right edge of the last one, and "
        "so along the rows.",
        hints=(
            "np.nonzero(cells) gives the rows and the columns of the True cells.",
            "The box ends at the *right* edge of its last cell: jump * (last + 1).",
        ),
        mistakes=(
            Mistake(_short_by_a_cell, "The box ends where its last cell ends, not where that cell begins."),
            Mistake(_axes_swapped, "x counts columns, y counts rows."),
            Mistake(_in_cells, "That is the box in cells; the edges are wanted in pixels."),
        ),
        inputs=_cell_inputs,
    ),
    Exercise(
        name="best-on-a-grid",
        chapter=6,
        task="An object fills the pixels from 20 to 44 along both axes of an image of 64 px: the box (20, 20, 44, 44). "
        "What is the highest IoU that a box of whole cells reaches on a map of 8 x 8 cells?",
        solution=0.5625,
        explanation="Edges lie at multiples of 8. From 16 to 48 along both axes: 24 * 24 / (32 * 32) = 0.5625; "
        "smaller boxes lose more than they gain. At IoU 0.5 it still counts, at 0.7 nothing on this grid does.",
        hints=(
            "Edges lie at multiples of 8: for the low side 16 or 24, for the high side 40 or 48.",
            "Try the box around the object, from 16 to 48 along both axes, then the smaller ones.",
        ),
        mistakes=(
            Mistake(1.0, "No box of whole cells has its edges at 20 and 44."),
            Mistake(256 / 576, "That is the largest box inside the object, from 24 to 40; a larger one does better."),
            Mistake(576 / 4096, "That is the whole image, the best that a map of 2 x 2 cells can do."),
        ),
        tolerance=1e-3,
    ),
    Exercise(
        name="dense-reading",
        chapter=6,
        task="Suppose that DRN-A-18 points at objects more often than ResNet-18. Which further measurement tells how "
        "much of that is due to reading a finer map, and how much to training with dilation?",
        solution=DENSE,
        choices=(
            DENSE,
            "a ResNet-18 widened until it costs as many multiply-adds",
            "DRN-A-18 with another threshold",
            "the coarse map of ResNet-18, enlarged smoothly",
        ),
        explanation="It computes the function that ResNet-18 learned, at as many places as DRN-A-18. What it gains on "
        "ResNet-18 is reading; what DRN-A-18 gains on it is training.",
        hints=(
            "Keep what was learned, change only at how many places it is read.",
            "Which of them has ResNet-18's weights and DRN-A-18's cells?",
        ),
        mistakes=(
            Mistake(
                "a ResNet-18 widened until it costs as many multiply-adds",
                "That holds the cost fixed, and its map stays coarse.",
            ),
            Mistake("DRN-A-18 with another threshold", "The peak of a map does not depend on the threshold."),
            Mistake(
                "the coarse map of ResNet-18, enlarged smoothly",
                "Enlarging adds cells and no reading: the network still looked at the same few places.",
            ),
        ),
    ),
)
