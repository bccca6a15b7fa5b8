"""The exercises of chapters 03 and 04: lattices, and how they are removed. No torch."""

from __future__ import annotations

import numpy as np

from book.exercises.exercise import Exercise, Mistake


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


EXERCISES = (
    Exercise(
        name="cells-after-three-layers",
        chapter=3,
        task=(
            "A large map has one active cell. It passes through three 3x3 convolutions of ones, all with dilation 4. "
            "How many cells of the result are not zero?"
        ),
        solution=49,
        explanation=(
            "Along an axis three layers reach -12, -8, -4, 0, 4, 8 and 12: 7 places. In two dimensions that is 7 x 7 "
            "= 49 cells, four apart, within an extent of 25 x 25."
        ),
        hints=(
            "Work along one axis first: which offsets can three steps of -4, 0 or 4 add up to?",
            "All offsets are multiples of 4. What are the smallest and the largest?",
            "There are 7 offsets along each axis.",
        ),
        mistakes=(
            Mistake(625, "25 x 25 is the whole extent; most of its cells are holes that no path reaches."),
            Mistake(729, "9 x 9 x 9 counts paths. Many of them end in the same cell; count the cells."),
            Mistake(27, "Nine cells per layer do not add up: each of the nine cells spreads again, and they overlap."),
        ),
    ),
    Exercise(
        name="split",
        chapter=3,
        task=(
            "Write split(x, d): the d * d sub-lattices of a NumPy map x (H, W), as a list, row by row: first those "
            "that start in row 0 (columns 0, 1, ...), then those that start in row 1. d divides H and W."
        ),
        solution=split,
        explanation="A sub-lattice is a slice with step d in both directions, and its start says which one it is.",
        hints=(
            "A slice x[i::d] takes every d-th row from row i on. Do the same for columns.",
            "Two loops: i over the rows' starts outside, j over the columns' starts inside.",
        ),
        mistakes=(
            Mistake(_blocks, "Those are d x d contiguous blocks. The cells of a sub-lattice stand d apart."),
            Mistake(
                _columns_first,
                "The right sub-lattices in another order: the start's row changes last, not first.",
            ),
            Mistake(_diagonal_only, "Rows and columns may start at different places: that makes d * d of them, not d."),
        ),
        inputs=_split_inputs,
    ),
    Exercise(
        name="what-dilation-4-cannot-tell",
        chapter=3,
        task=(
            "A 1-D convolution has dilation 4 and any three weights. A map is constant. Which of these added "
            "patterns does it treat exactly like a further constant (border cells aside)?"
        ),
        solution="1 0 0 0 repeated",
        choices=("1 0 0 repeated", "1 0 0 0 repeated", "1 0 0 0 0 repeated", "1 0 0 0 0 0 repeated"),
        explanation=(
            "All three taps fall on cells that lie 4 apart, where a pattern of period 4 has the same value. Within "
            "each sub-lattice it is a constant; it only differs from one sub-lattice to the next."
        ),
        hints=(
            "Ask what the three taps read: the cells o - 4, o and o + 4.",
            "Which pattern has the same value in these three cells, wherever o is?",
        ),
        mistakes=(
            Mistake(
                "1 0 0 repeated",
                "With period 3 the taps o - 4, o and o + 4 read three different places of the pattern.",
            ),
            Mistake(
                "1 0 0 0 0 repeated",
                "The kernel spans 9 cells and its taps lie 4 apart; the period 5 is neither.",
            ),
            Mistake("1 0 0 0 0 0 repeated", "With period 6 the taps at distance 4 meet the pattern out of step."),
        ),
    ),
    Exercise(
        name="lattice-tile",
        chapter=3,
        task=(
            "Write tile(x, p): the p x p pattern that repeats in a NumPy map x (H, W): average x over all its "
            "translates by p, so that entry (i, j) is the mean of the cells whose row is i and whose column is j "
            "modulo p; then take away the mean of the tile. p divides H and W."
        ),
        solution=lattice_tile,
        explanation=(
            "What repeats stays and what does not averages out; the variance of this tile against the rest is the "
            "heart of the lattice energy."
        ),
        hints=(
            "Entry (i, j) is the mean of one sub-lattice.",
            "Two loops over i and j with x[i::p, j::p].mean(), then subtract the mean of the p x p result.",
        ),
        mistakes=(
            Mistake(_with_the_mean, "The tile still holds the map's mean; a constant map would then have a lattice."),
            Mistake(
                _first_tile,
                "That is one corner of the map. Average over all translates, or noise counts as a lattice.",
            ),
            Mistake(_means_of_blocks, "Those are means of contiguous blocks; the cells to average stand p apart."),
        ),
        inputs=_tile_inputs,
    ),
    Exercise(
        name="independent-networks",
        chapter=4,
        task=(
            "Levels 5, 6 and 7 of DRN-C have the dilations 2, 4 and 2, in every layer. Taken together, on the map "
            "that leaves level 4, as how many networks that never exchange a value do they work?"
        ),
        solution=4,
        explanation=(
            "All dilations are multiples of 2 and not all of 4, so the map splits into 2 x 2 sub-lattices. Level 6 "
            "alone would be 16 networks; levels 5 and 7 join those in fours. Only level 8 joins the last 4."
        ),
        hints=(
            "Two cells can meet only if steps of 2 and 4 lead from one to the other.",
            "Steps of 2 and 4 reach every cell at an even distance, along rows and along columns.",
        ),
        mistakes=(
            Mistake(16, "Level 6 alone is 16 networks, but level 5 and level 7 step by 2 and join them in fours."),
            Mistake(2, "That is along one axis; rows and columns split independently of each other."),
            Mistake(1, "A step of 1 would be needed to lead from an even cell to an odd one; where is there one?"),
        ),
    ),
    Exercise(
        name="cells-read",
        chapter=4,
        task=(
            "Write cells_read(dilations): how many different input cells one output cell of a chain of 1-D "
            "convolutions reads, each with 3 taps and its own dilation, in the order of the list (far from the "
            "border)."
        ),
        solution=cells_read,
        explanation=(
            "Each layer adds -d, 0 or d to the offsets so far. 4, 4, 4 reads 7 of 25 cells; with 2 and 1 behind it "
            "reads all 31 of 31: the falling dilations fill the holes."
        ),
        hints=(
            "Keep a set of offsets, {0} at first, and let every layer widen it.",
            "A layer with dilation d makes of each offset o the three offsets o - d, o and o + d.",
        ),
        mistakes=(
            Mistake(
                _the_extent,
                "That is the extent, first cell to last, holes included. Count only cells that a path reaches.",
            ),
            Mistake(
                _all_paths,
                "That counts paths. Two paths may end in the same cell: with dilations 1, 1 it is 5 cells, not 9.",
            ),
            Mistake(
                _taps_in_a_row,
                "Right if all dilations are equal; different dilations reach more distinct offsets.",
            ),
        ),
        inputs=_dilations,
    ),
    Exercise(
        name="gain",
        chapter=4,
        task=(
            "Write gain(dilations, frequency): the factor by which a chain of filters [1, 2, 1] / 4 with these "
            "dilations multiplies a wave of this frequency (cycles per cell). One filter with dilation d multiplies "
            "it by 1/2 + 1/2 cos(2 pi d frequency)."
        ),
        solution=gain,
        explanation=(
            "Filters in a row multiply; with dilations 2 and 1 the gain is 0 at 1/4 and at 1/2, where a lattice of "
            "period 4 is."
        ),
        hints=(
            "Start from 1 and let every filter multiply it.",
            "The dilation stands inside the cosine, times the frequency: math.cos(2 * math.pi * d * frequency).",
        ),
        mistakes=(
            Mistake(_gain_undilated, "That is the gain of undilated filters: the dilation belongs inside the cosine."),
            Mistake(
                _gain_summed,
                "Filters one behind the other multiply their gains; a sum would be filters side by side.",
            ),
            Mistake(
                _gain_divided,
                "Dilation d compresses the response: the cosine holds d times the frequency, not 1/d.",
            ),
        ),
        inputs=_gain_inputs,
    ),
    Exercise(
        name="what-carries-the-grid",
        chapter=4,
        task=(
            "A block computes x + f(x), where f removes every trace of a lattice from its input. The input is a "
            "smooth map plus a lattice. What of the lattice is in the block's output?"
        ),
        solution="all of it",
        choices=("nothing", "half of it", "all of it", "it depends on the kernel's dilation"),
        explanation=(
            "f(x) holds none of it, and the link adds x, which holds it in full. To remove it f would have to "
            "compute exactly the lattice with the opposite sign."
        ),
        hints=("Write the input as clean + lattice and add up both paths.", "What does the link do to the lattice?"),
        mistakes=(
            Mistake("nothing", "That is what f alone gives. Add the other path."),
            Mistake("half of it", "The two paths are added, not averaged: nothing halves what the link carries."),
            Mistake(
                "it depends on the kernel's dilation",
                "f removes the lattice entirely, whatever its dilation; look at the link.",
            ),
        ),
    ),
)
