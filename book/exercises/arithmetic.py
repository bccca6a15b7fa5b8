"""The exercises of chapters 01 and 02: dilation arithmetic, and the way from ResNet to DRN-A. No torch."""

from __future__ import annotations

from book.exercises.exercise import Exercise, Mistake


def output_size(size, kernel, stride, padding, dilation):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _output_size_inputs(random):
    kernel, dilation = int(random.integers(1, 8)), int(random.integers(1, 5))
    extent = dilation * (kernel - 1) + 1
    return int(random.integers(extent, 80)), kernel, int(random.integers(1, 5)), int(random.integers(0, 6)), dilation


def receptive_field(layers):
    field, jump = 1, 1
    for kernel, stride, dilation in layers:
        field += dilation * (kernel - 1) * jump
        jump *= stride
    return field


def _jump_too_early(layers):
    field, jump = 1, 1
    for kernel, stride, dilation in layers:
        jump *= stride
        field += dilation * (kernel - 1) * jump
    return field


def _dilation_in_the_jump(layers):
    field, jump = 1, 1
    for kernel, stride, dilation in layers:
        field += dilation * (kernel - 1) * jump
        jump *= stride * dilation
    return field


def _without_dilation(layers):
    return receptive_field([(kernel, stride, 1) for kernel, stride, _ in layers])


def _layer_list(random):
    rows = [(random.choice([1, 3, 5, 7]), random.integers(1, 4), random.integers(1, 5)) for _ in range(5)]
    return ([tuple(int(value) for value in row) for row in rows],)


def dilation_schedule(strides, output_stride):
    rows, jump, dilation = [], 1, 1
    for stride in strides:
        first = dilation
        if jump * stride <= output_stride:
            jump *= stride
        else:
            dilation *= stride
            stride = 1
        rows.append((stride, first, dilation))
    return rows


def _all_new(strides, output_stride):
    return [(stride, dilation, dilation) for stride, _, dilation in dilation_schedule(strides, output_stride)]


def _first_undilated(strides, output_stride):
    return [(stride, 1, dilation) for stride, _, dilation in dilation_schedule(strides, output_stride)]


def _never_multiplied(strides, output_stride):
    rows, jump = [], 1
    for stride in strides:
        keep = jump * stride <= output_stride
        jump *= stride if keep else 1
        rows.append((stride, 1, 1) if keep else (1, 1, stride))
    return rows


def _schedule_inputs(random):
    strides = [int(random.choice([1, 2, 2, 3])) for _ in range(5)]
    return strides, int(random.choice([1, 2, 4, 8, 16]))


def multiply_adds(size, in_channels, out_channels, kernel, stride, dilation):
    padding = dilation * (kernel - 1) // 2
    cells = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return cells**2 * kernel**2 * in_channels * out_channels


def _at_the_input(size, in_channels, out_channels, kernel, stride, dilation):
    return size**2 * kernel**2 * in_channels * out_channels


def _extent_not_taps(size, in_channels, out_channels, kernel, stride, dilation):
    taps = (dilation * (kernel - 1) + 1) ** 2
    return multiply_adds(size, in_channels, out_channels, kernel, stride, dilation) // kernel**2 * taps


def _one_axis(size, in_channels, out_channels, kernel, stride, dilation):
    return -(-size // stride) * kernel**2 * in_channels * out_channels


def _layer_inputs(random):
    size, wide, narrow = (int(random.integers(5, 60)) for _ in range(3))
    return size, wide, narrow, int(random.choice([1, 3, 5])), int(random.integers(1, 4)), int(random.integers(1, 5))


CHAPTER_01 = (
    Exercise(
        name="same-padding",
        chapter=1,
        task="A 5x5 convolution has dilation 3 and stride 1. Which padding keeps the map's size? Give the number.",
        solution=6,
        explanation="The kernel spans 3 * (5 - 1) + 1 = 13 cells, so the map loses 12; 6 on each side put them back.",
        hints=(
            "First compute how many cells the dilated kernel spans.",
            "A kernel that spans e cells takes e - 1 cells off the map; padding adds to both sides.",
        ),
        mistakes=(
            Mistake(2, "That is the padding of the undilated 5x5. Dilation widens the kernel."),
            Mistake(12, "That is how much the map loses in all; padding is added on both sides."),
            Mistake(3, "That would fit a 3x3 at dilation 3. This kernel has five taps a side."),
        ),
    ),
    Exercise(
        name="output-size",
        chapter=1,
        task="Write output_size(size, kernel, stride, padding, dilation): the number of cells along one axis after "
        "a convolution.",
        solution=output_size,
        explanation="The dilated kernel spans d(k - 1) + 1 cells; it fits at size + 2p - d(k - 1) places, and every "
        "s-th of them, the first included, is computed.",
        hints=(
            "How many cells does the dilated kernel span? At how many places does it fit on the padded axis?",
            "Of n places, stride s keeps floor((n - 1) / s) + 1.",
        ),
        mistakes=(
            Mistake(
                lambda size, kernel, stride, padding, dilation: (size + 2 * padding - kernel) // stride + 1,
                "This is right at dilation 1 only: the kernel spans more than k cells otherwise.",
            ),
            Mistake(
                lambda size, kernel, stride, padding, dilation: (size + 2 * padding - dilation * kernel) // stride + 1,
                "d * k counts one gap too many: k taps have k - 1 gaps between them.",
            ),
            Mistake(
                lambda size, kernel, stride, padding, dilation: (
                    (size + padding - dilation * (kernel - 1) - 1) // stride + 1
                ),
                "The padding is added at both ends of the axis.",
            ),
        ),
        inputs=_output_size_inputs,
    ),
    Exercise(
        name="receptive-field",
        chapter=1,
        task="Write receptive_field(layers) for a chain of layers, a list of (kernel, stride, dilation): the input "
        "pixels from the first to the last that one cell of the last map sees.",
        solution=receptive_field,
        explanation="Each layer adds d(k - 1) steps of the map that it reads, and that map's step is the product of "
        "the strides before it.",
        hints=(
            "Carry two numbers along: the field so far and the jump so far. Both begin at 1.",
            "A layer adds d(k - 1) jumps of the map it reads.",
        ),
        mistakes=(
            Mistake(_jump_too_early, "A layer's own stride does not widen its own view, only that of later layers."),
            Mistake(_dilation_in_the_jump, "Dilation spreads the taps; it does not change the jump between cells."),
            Mistake(_without_dilation, "This is the field of the undilated chain; where does the dilation come in?"),
        ),
        inputs=_layer_list,
    ),
    Exercise(
        name="live-taps",
        chapter=1,
        task="A DRN makes a 4x4 map of a 32 px image. Its level 6 has 3x3 kernels of dilation 4, padded by 4. What "
        "share of all their taps reads the map and not the padding? Give a number from 0 to 1.",
        solution=1 / 9,
        explanation="Four cells to the left of any cell of a 4x4 map there is only padding, and so on each side: the "
        "middle tap alone is alive. At this size the 3x3 kernel is a 1x1 kernel.",
        hints=(
            "Take one axis first: from which of the four positions does the left tap, four cells away, hit the map?",
            "The share in two dimensions is the square of the share along one axis.",
        ),
        mistakes=(
            Mistake(1 / 3, "That is the share along one axis; the kernel has two."),
            Mistake(4 / 9, "That is the share on an 8x8 map. This one is half as large."),
            Mistake(1.0, "With padding 4 the size stays, but what do the outer taps read?"),
        ),
    ),
)

CHAPTER_02 = (
    Exercise(
        name="first-of-level-6",
        chapter=2,
        task="Level 6 has lost its stride and level 5 before it too. Its convolutions take dilation 4. Which "
        "dilation must the first 3x3 of level 6 take, so that the network keeps its function?",
        solution="2",
        explanation="The first 3x3 still reads the map of level 5, whose kept positions lie 2 apart; only what comes "
        "after it lives on the grid of step 4.",
        hints=("Ask which map this convolution reads, and how far apart the kept positions are there.",),
        mistakes=(
            Mistake("1", "So does the released DRN-A. But level 5 has lost its stride too: its grid has step 2."),
            Mistake("4", "So does Fig. 5. But this convolution reads level 5, where the grid's step is still smaller."),
            Mistake("none: it cannot", "It can: one choice reproduces the ResNet exactly at the kept positions."),
        ),
        choices=("1", "2", "4", "none: it cannot"),
    ),
    Exercise(
        name="full-resolution-extent",
        chapter=2,
        task="Take all five strides out of ResNet-18 by the exact rule, so that every pixel gets its scores. How "
        "many pixels a side does one 3x3 kernel of the very last block span? Give the number.",
        solution=65,
        explanation="Five strides of 2 make dilation 32, and 32 * (3 - 1) + 1 = 65. The ResNet's kernel reads three "
        "cells that lie 32 pixels apart, which spans the same 65 pixels.",
        hints=(
            "How far apart are neighbouring cells of ResNet's last map, in pixels? The taps must stay that far apart.",
            "Extent: d(k - 1) + 1.",
        ),
        mistakes=(
            Mistake(33, "That would be dilation 16, which only the first 3x3 of level 6 has."),
            Mistake(64, "That is the distance from the first tap to the last; count both of their pixels."),
            Mistake(96, "Three taps have two gaps between them, not three."),
        ),
    ),
    Exercise(
        name="dilation-schedule",
        chapter=2,
        task="Write dilation_schedule(strides, output_stride). The stages of a network have these strides, in "
        "order. Keep a stride as long as the product of the strides kept stays at or below output_stride, else "
        "trade it for dilation. Return one (stride, first dilation, dilation) per stage, by the exact rule.",
        solution=dilation_schedule,
        explanation="The traded strides multiply into the dilation, and the first convolution of each stage keeps "
        "the dilation of the stage before.",
        hints=(
            "Carry two numbers along: the product of the strides you kept, and the dilation so far.",
            "Note the dilation before you change it: the first convolution of the stage takes that one.",
        ),
        mistakes=(
            Mistake(_all_new, "This is Fig. 5's reading; the first convolution reads the grid of the stage before."),
            Mistake(_first_undilated, "This is the released code's reading; the stage before may be dilated already."),
            Mistake(_never_multiplied, "Two strides that are traded one after the other multiply."),
        ),
        inputs=_schedule_inputs,
    ),
    Exercise(
        name="multiply-adds",
        chapter=2,
        task="Write multiply_adds(size, in_channels, out_channels, kernel, stride, dilation): the multiply-adds of "
        "one convolution on a square map of `size` cells a side, with an odd kernel, padded so that stride 1 would "
        "keep the size.",
        solution=multiply_adds,
        explanation="Output cells times taps times channels in and out. Dilation appears nowhere: it moves the taps "
        "and adds none.",
        hints=(
            "Every output cell costs one multiply-add for each weight.",
            "The output has ceil(size / stride) cells a side; there are two sides.",
        ),
        mistakes=(
            Mistake(_at_the_input, "The kernel runs at the cells of the output, and stride makes them fewer."),
            Mistake(_extent_not_taps, "A dilated kernel spans more cells, but between the taps nothing is computed."),
            Mistake(_one_axis, "The map has two sides."),
        ),
        inputs=_layer_inputs,
    ),
)

EXERCISES = (*CHAPTER_01, *CHAPTER_02)
