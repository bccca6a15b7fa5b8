"""The exercises of chapter 00: cells and pixels, maps and logits. No torch."""

from __future__ import annotations

from book.exercises.exercise import Exercise, Mistake


def cell_to_pixel(row, column, image_size, cells):
    jump = image_size // cells
    return column * jump, row * jump


def _cell_inputs(random):
    cells, jump = int(random.integers(5, 40)), int(random.choice([4, 8, 16, 32]))
    return int(random.integers(0, cells)), int(random.integers(0, cells)), cells * jump, cells


def pool(scores):
    return scores.mean(axis=(1, 2))


def _score_map(random):
    return (random.normal(size=(int(random.integers(2, 6)), 5, 7)),)


EXERCISES = (
    Exercise(
        name="level-6-price",
        chapter=0,
        task="At 224 px level 6 of ResNet-18 has 7 x 7 cells and that of DRN-A-18 has 28 x 28. How many times as many "
        "multiply-adds does a 3x3 kernel with stride 1 cost in DRN-A-18's level 6? Give the number.",
        solution=16,
        explanation="A kernel costs the same at every cell, and there are 28 * 28 / (7 * 7) = 16 times as many cells.",
        hints=("Count the cells at which the kernel runs.", "A map has two sides: divide 28 * 28 by 7 * 7."),
        mistakes=(
            Mistake(4, "That is for one side of the map; a map has two."),
            Mistake(1, "The weights are as many; the places at which they are used are not."),
            Mistake(64, "Spread taps are not more taps: a dilated 3x3 kernel still has nine."),
        ),
    ),
    Exercise(
        name="cell-to-pixel",
        chapter=0,
        task="Write cell_to_pixel(row, column, image_size, cells): the pixel (x, y) that a cell looks around in a map "
        "of so many cells a side, if cell 0 looks around pixel 0.",
        solution=cell_to_pixel,
        explanation="Neighbouring cells lie image_size / cells pixels apart: 32 for ResNet-18, 8 for a DRN.",
        hints=(
            "How many pixels lie between two neighbouring cells?",
            "x runs along a row, so it comes from the column.",
        ),
        mistakes=(
            Mistake(
                lambda row, column, image_size, cells: cell_to_pixel(column, row, image_size, cells),
                "x runs to the right, along the columns; y runs down, along the rows.",
            ),
            Mistake(
                lambda row, column, image_size, cells: (column * cells, row * cells),
                "The number of cells is not the distance between them.",
            ),
            Mistake(
                lambda row, column, image_size, cells: (column * 8, row * 8),
                "8 pixels is right for a DRN alone; take the distance from image_size and cells.",
            ),
        ),
        inputs=_cell_inputs,
    ),
    Exercise(
        name="pool-the-map",
        chapter=0,
        task="Write pool(scores): the logits (classes,) of a score map given as an array (classes, height, width).",
        solution=pool,
        explanation="Global average pooling is the mean over cells, and it may come after the classifier.",
        hints=("Which axes hold the cells?", "The network pools by averaging over height and width."),
        mistakes=(
            Mistake(
                lambda scores: scores.max(axis=(1, 2)),
                "That is the best cell of each class; the network averages over its cells.",
            ),
            Mistake(
                lambda scores: scores.sum(axis=(1, 2)),
                "A sum grows with the number of cells; the network averages.",
            ),
            Mistake(
                lambda scores: scores.mean(axis=0),
                "That averages over the classes, which the logits must keep apart.",
            ),
        ),
        inputs=_score_map,
    ),
)
