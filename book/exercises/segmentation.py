"""The exercises of chapter 07: enlarging a score map, cells and poles, IoU of a set, its two means. No torch."""

from __future__ import annotations

import numpy as np

from book.exercises.exercise import Exercise, Mistake


def enlarge(scores, factor):
    places = (np.arange(factor * len(scores)) + 0.5) / factor - 0.5
    return np.interp(places, np.arange(len(scores)), scores)  # beyond the ends np.interp goes on with the last value


def _corners_aligned(scores, factor):
    return np.interp(np.linspace(0, len(scores) - 1, factor * len(scores)), np.arange(len(scores)), scores)


def _blocks(scores, factor):
    return np.repeat(scores, factor)


def _no_half_pixel(scores, factor):
    return np.interp(np.arange(factor * len(scores)) / factor, np.arange(len(scores)), scores)


def _row_inputs(random):
    return random.integers(-9, 10, int(random.integers(3, 7))).astype(float), int(random.choice([2, 4, 8]))


def class_iou(confusion):
    hits = np.diag(confusion)
    return 100 * hits / (confusion.sum(axis=0) + confusion.sum(axis=1) - hits)


def _recall(confusion):
    return 100 * np.diag(confusion) / confusion.sum(axis=1)


def _precision(confusion):
    return 100 * np.diag(confusion) / confusion.sum(axis=0)


def _hits_twice(confusion):
    return 100 * np.diag(confusion) / (confusion.sum(axis=0) + confusion.sum(axis=1))


def _matrix_inputs(random):
    classes = int(random.integers(2, 5))
    return (random.integers(1, 50, (classes, classes)) + 40 * np.eye(classes, dtype=int),)


CONTROL = "the trained ResNet-18, dilated by the exact rule and then trained on streets as well"

EXERCISES = (
    Exercise(
        name="enlarge",
        chapter=7,
        task="Write enlarge(scores, factor): a row of scores, one a cell, made `factor` times longer by linear "
        "interpolation. Cell i stands for the pixels [factor i, factor (i + 1)), so its score belongs to the middle "
        "of them; before the first and after the last middle the row goes on as at its end.",
        solution=enlarge,
        explanation="Pixel x has its middle at x + 1/2, which is (x + 1/2) / factor - 1/2 in units of cells.",
        hints=(
            "np.interp(places, np.arange(len(scores)), scores) interpolates, and goes on at the ends. Which places?",
            "The middle of pixel x is x + 1/2; the middle of cell i is factor * (i + 1/2). Solve for i.",
        ),
        mistakes=(
            Mistake(
                _corners_aligned,
                "That pins the first and the last score to the outermost pixels: the cells are "
                "stretched, by another factor for every length (align_corners=True).",
            ),
            Mistake(_blocks, "That repeats each score; between two middles it should run from one to the other."),
            Mistake(_no_half_pixel, "Close: there the score of cell i sits at its first pixel, not at its middle."),
        ),
        inputs=_row_inputs,
    ),
    Exercise(
        name="pole-on-cells",
        chapter=7,
        task="A pole is 4 px wide, as high as the image, and lies within one column of cells of 8 px. What is the "
        "highest IoU, between 0 and 1, of a mask that consists of whole cells?",
        solution=0.5,
        explanation="The column of cells holds the whole pole and as many pixels again beside it: 4 / 8. With cells of "
        "32 px it would be 4 / 32.",
        hints=(
            "Take the column of cells in which it lies: how many of its 8 pixels across are the pole's?",
            "IoU = shared / (mask + truth - shared), per row of pixels.",
        ),
        mistakes=(
            Mistake(1.0, "No mask of whole cells is 4 px wide."),
            Mistake(0.125, "That is what cells of 32 px allow."),
            Mistake(1 / 3, "The union counts the shared pixels once: 8 + 4 - 4, not 8 + 4."),
        ),
        tolerance=1e-3,
    ),
    Exercise(
        name="class-iou",
        chapter=7,
        task="Write class_iou(confusion): the IoU of every class in percent, from a confusion matrix with the true "
        "class along the rows and the predicted one along the columns. Every class occurs.",
        solution=class_iou,
        explanation="A row's sum holds all true pixels of a class, a column's sum all named ones; the diagonal is in "
        "both, and the union counts it once.",
        hints=(
            "The diagonal holds the pixels that are rightly named.",
            "Union = true pixels + named pixels - those that are both.",
        ),
        mistakes=(
            Mistake(_recall, "That is the share of the true pixels that was found; false alarms cost nothing there."),
            Mistake(_precision, "That is the share of the named pixels that is right; what was missed costs nothing."),
            Mistake(_hits_twice, "The union counts the shared pixels once: subtract the diagonal."),
        ),
        inputs=_matrix_inputs,
    ),
    Exercise(
        name="two-means",
        chapter=7,
        task="Three classes have an IoU of 90, 60 and 0. The third never occurs in the truth; the network named a few "
        "pixels so. How many points lie between the two averages, miou_present and miou_official?",
        solution=25.0,
        explanation="The first mean is over the classes in the truth: (90 + 60) / 2 = 75. The official evaluator also "
        "counts a class that was only named: (90 + 60 + 0) / 3 = 50. A single pixel decides between them.",
        hints=(
            "Which classes does each of the two averages count?",
            "The official mean leaves out only what is in neither truth nor predictions.",
        ),
        mistakes=(
            Mistake(0.0, "They differ: the official evaluator counts the third class, since it was named."),
            Mistake(50.0, "That is the official mean itself; how far above it is the mean over present classes?"),
            Mistake(75.0, "That is the mean over the classes in the truth; how far below it is the official one?"),
        ),
        tolerance=1e-3,
    ),
    Exercise(
        name="which-third-network",
        chapter=7,
        task="DRN-A-18 segments streets better than ResNet-18, each trained on streets from its own classifier. Which "
        "third network tells whether the weights learned with dilation matter, or the finer map alone?",
        solution=CONTROL,
        choices=(
            CONTROL,
            "ResNet-18 with its score map enlarged bicubically",
            "DRN-A-18 trained from scratch",
            "ResNet-34 at output stride 32",
        ),
        explanation="It has DRN-A-18's cells and ResNet-18's past. From ResNet-18 to it only the map changes, from it "
        "to DRN-A-18 only the weights to begin from.",
        hints=(
            "It should share its map with one of the two and its weights with the other.",
            "Chapter 02 makes a dilated network of a trained ResNet without changing its function.",
        ),
        mistakes=(
            Mistake(
                "ResNet-18 with its score map enlarged bicubically",
                "A smoother enlargement adds no cell at which the network looked.",
            ),
            Mistake(
                "DRN-A-18 trained from scratch",
                "That tells what a start from a classifier is worth, not what the classifier's dilation is.",
            ),
            Mistake("ResNet-34 at output stride 32", "That changes the depth and leaves the map as coarse as it was."),
        ),
    ),
)
