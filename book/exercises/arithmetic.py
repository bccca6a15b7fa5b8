"""The functions of the exercises of chapters 01 and 02: solutions, random inputs, wrong answers. No torch."""


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


def _never_multiplied(strides, output_stride):
    rows, jump = [], 1
    for stride in strides:
        keep = jump * stride <= output_stride
        jump *= stride if keep else 1
        rows.append((stride, 1, 1) if keep else (1, 1, stride))
    return rows


def _schedule_inputs(random):
    return [int(random.choice([1, 2, 2, 3])) for _ in range(5)], int(random.choice([1, 2, 4, 8, 16]))


def multiply_adds(size, in_channels, out_channels, kernel, stride, dilation):
    padding = dilation * (kernel - 1) // 2
    cells = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return cells**2 * kernel**2 * in_channels * out_channels


def _layer_inputs(random):
    size, wide, narrow = (int(random.integers(5, 60)) for _ in range(3))
    return size, wide, narrow, int(random.choice([1, 3, 5])), int(random.integers(1, 4)), int(random.integers(1, 5))


WRONG = {
    "_undilated_kernel": lambda size, kernel, stride, padding, dilation: (size + 2 * padding - kernel) // stride + 1,
    "_one_gap_too_many": lambda size, k, stride, padding, dilation: (size + 2 * padding - dilation * k) // stride + 1,
    "_padding_at_one_end": lambda size, k, stride, padding, d: (size + padding - d * (k - 1) - 1) // stride + 1,
    "_without_dilation": lambda layers: receptive_field([(kernel, stride, 1) for kernel, stride, _ in layers]),
    "_all_new": lambda *given: [(stride, dilation, dilation) for stride, _, dilation in dilation_schedule(*given)],
    "_first_undilated": lambda *given: [(stride, 1, dilation) for stride, _, dilation in dilation_schedule(*given)],
    "_at_the_input": lambda size, wide, narrow, kernel, stride, dilation: size**2 * kernel**2 * wide * narrow,
    "_extent_not_taps": lambda *given: multiply_adds(*given) // given[3] ** 2 * (given[5] * (given[3] - 1) + 1) ** 2,
    "_one_axis": lambda size, wide, narrow, kernel, stride, dilation: -(-size // stride) * kernel**2 * wide * narrow,
}
