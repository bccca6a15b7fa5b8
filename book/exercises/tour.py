"""The functions of the exercises of chapter 00: solutions, random inputs, wrong answers. No torch."""


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


WRONG = {
    "_axes_swapped": lambda row, column, image_size, cells: cell_to_pixel(column, row, image_size, cells),
    "_cells_for_distance": lambda row, column, image_size, cells: (column * cells, row * cells),
    "_always_8_pixels": lambda row, column, image_size, cells: (column * 8, row * 8),
    "_maximum": lambda scores: scores.max(axis=(1, 2)),
    "_sum": lambda scores: scores.sum(axis=(1, 2)),
    "_over_classes": lambda scores: scores.mean(axis=0),
}
