"""Convolutions and normalization by both engines, forward and backward, against torch in float64."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import conv2d

from drn_lib.fast import Unavailable, direct, normalize, plain, winograd
from drn_lib.fast.kernel import Steps, kernel
from drn_lib.fast.matrices import F23, F33, F43, PAIR, SCHEMES


@pytest.fixture(scope="module")
def compiled():
    try:
        return kernel()
    except Unavailable as reason:
        if a_compiler_for_avx2():
            raise
        pytest.skip(str(reason))


def a_compiler_for_avx2():
    """Whether one is here: then a kernel that cannot be built is a fault."""
    command = [*shlex.split(os.environ.get("CXX") or "c++"), "-march=native", "-fopenmp", "-fsyntax-only", "-xc++", "-"]
    text = "#include <omp.h>\n#ifndef __AVX2__\n#error\n#endif\n"
    try:
        return subprocess.run(command, input=text, text=True, capture_output=True).returncode == 0
    except OSError:
        return False


def apart(found, expected):
    """The largest difference over the largest value; both may be missing."""
    if found is None or expected is None:
        return 0.0 if found is expected else float("inf")
    found, expected = found.detach().double(), expected.detach().double()
    return ((found - expected).abs().max() / expected.abs().max().clip(min=1e-30)).item()


def both_ways(function, tensors, gradient):
    """What a function makes of tensors, and their gradients."""
    tensors = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    made = function(*tensors)
    made.backward(gradient.to(made.dtype))
    return [made, *(tensor.grad for tensor in tensors)]


def drawn(*shapes):
    generator = torch.Generator().manual_seed(sum(map(sum, shapes)))
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


SIZES = st.tuples(st.integers(1, 14), st.integers(1, 14))
CHANNELS = st.integers(1, 40)


@settings(max_examples=25, deadline=None)
@given(size=SIZES, dilation=st.sampled_from([1, 2, 4]), inputs=CHANNELS, outputs=CHANNELS, images=st.integers(1, 3))
def test_winograd_in_pytorch_is_exact_up_to_rounding(size, dilation, inputs, outputs, images):
    x, weight, gradient = drawn((images, inputs, *size), (outputs, inputs, 3, 3), (images, outputs, *size))
    expected = both_ways(lambda x, w: conv2d(x, w, None, 1, dilation, dilation), (x, weight), gradient)
    found = both_ways(lambda x, w: winograd(x, w, dilation, plain), (x, weight), gradient)
    assert max(map(apart, found, expected)) < 1e-12


@settings(max_examples=40, deadline=None)
@given(size=SIZES, dilation=st.sampled_from([1, 2, 4]), inputs=CHANNELS, outputs=CHANNELS, images=st.integers(1, 3))
def test_winograd_by_the_kernel(compiled, size, dilation, inputs, outputs, images):
    x, weight, gradient = drawn((images, inputs, *size), (outputs, inputs, 3, 3), (images, outputs, *size))
    expected = both_ways(lambda x, w: conv2d(x, w, None, 1, dilation, dilation), (x, weight), gradient)
    tensors = x.float(), weight.float()
    found = both_ways(lambda x, w: winograd(x, w, dilation, compiled), tensors, gradient)
    assert max(map(apart, found, expected)) < 3e-5


@settings(max_examples=40, deadline=None)
@given(
    size=SIZES,
    side=st.sampled_from([1, 2, 3, 5, 7]),
    steps=st.builds(Steps, st.integers(1, 3), st.integers(0, 3), st.integers(1, 2)),
    inputs=CHANNELS,
    outputs=CHANNELS,
    images=st.sampled_from([1, 2, 9]),  # several small ones are computed together, large ones one by one
)
def test_direct_convolutions_by_the_kernel(compiled, size, side, steps, inputs, outputs, images):
    reach = steps.dilation * (side - 1) + 1
    if min(size) + 2 * steps.padding < reach:
        return
    x, weight = drawn((images, inputs, *size), (outputs, inputs, side, side))
    y = conv2d(x, weight, None, *steps)
    (gradient,) = drawn(tuple(y.shape))
    expected = both_ways(lambda x, w: conv2d(x, w, None, *steps), (x, weight), gradient)
    found = both_ways(lambda x, w: direct(x, w, steps, compiled), (x.float(), weight.float()), gradient)
    assert max(map(apart, found, expected)) < 1e-5


@pytest.mark.parametrize("channels", [5, 8, 32, 40])
@pytest.mark.parametrize("has_added", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_normalization_with_what_follows_it(compiled, channels, has_added, relu):
    shape = (4, channels, 9, 7)
    x, added, gradient = drawn(shape, shape, (*shape[:3], 7))
    x, tensors = 3 * x + 5, [3 * x + 5, *([added] if has_added else [])]
    ours, theirs = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels).double()
    nn.init.uniform_(theirs.weight)
    nn.init.normal_(theirs.bias)
    ours.load_state_dict(theirs.state_dict())

    def in_torch(x, added=0.0):
        y = theirs(x) + added
        return y.relu() if relu else y

    def by_the_kernel(x, added=None):
        return normalize(x, ours, added, relu, compiled)

    expected = both_ways(in_torch, tensors, gradient)
    found = both_ways(by_the_kernel, [tensor.float() for tensor in tensors], gradient)
    expected += [theirs.weight.grad, theirs.bias.grad, theirs.running_mean, theirs.running_var]
    found += [ours.weight.grad, ours.bias.grad, ours.running_mean, ours.running_var]
    assert max(map(apart, found, expected)) < 1e-5
    assert ours.num_batches_tracked == theirs.num_batches_tracked == 1


def test_the_kernel_has_the_matrices_of_python(compiled):
    for number, scheme in enumerate(SCHEMES):
        for place, matrix in enumerate((scheme.BT, scheme.G, scheme.AT)):
            for row, entries in enumerate(matrix):
                for column, entry in enumerate(entries):
                    read = compiled.library.winograd_entry(number, place, row, column)
                    assert read == pytest.approx(float(entry), rel=1e-7)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_a_scheme_filters_exactly(scheme):
    """In fractions: AT [(G g) * (BT x)] is the correlation of x with g, for every unit vector of both."""

    def times(matrix, vector):
        return [sum(a * b for a, b in zip(row, vector)) for row in matrix]

    for tap in range(3):
        for cell in range(scheme.inputs):
            g = [int(tap == place) for place in range(3)]
            x = [int(cell == place) for place in range(scheme.inputs)]
            products = [a * b for a, b in zip(times(scheme.G, g), times(scheme.BT, x))]
            shift = cell - tap + (1 - scheme.before)
            assert times(scheme.AT, products) == [int(place == shift) for place in range(scheme.outputs)]


def test_a_short_tile_takes_all_weights_of_a_whole_one_but_one():
    assert F43.short is F33 and [scheme.skipped for scheme in SCHEMES] == [4, 4, 3, 5]
    assert F33.G == F43.G[:4] + F43.G[5:]


@pytest.mark.parametrize("side", [3, 7, 13, 14, 15])
@pytest.mark.parametrize("images", [1, 7])
def test_short_tiles_in_blocks_of_any_cut(compiled, side, images):
    """16 lattices of 7 images are more tiles than a block holds, so that blocks begin within each kind of tile."""
    x, weight, gradient = drawn((images, 24, 4 * side, side), (40, 24, 3, 3), (images, 40, 4 * side, side))
    expected = both_ways(lambda x, w: conv2d(x, w, None, 1, 4, 4), (x, weight), gradient)
    found = both_ways(lambda x, w: winograd(x, w, 4, compiled), (x.float(), weight.float()), gradient)
    assert max(map(apart, found, expected)) < 3e-5


def test_a_pair_needs_three_products_and_two_outputs_of_four_cells_four():
    assert (PAIR.products, F23.products, F23.inputs) == (3, 4, 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(compiled, value):
    x, weight = (tensor.float() for tensor in drawn((1, 16, 8, 8), (16, 16, 3, 3)))
    x[0, 3, 4, 4] = value
    assert not winograd(x, weight, 1, compiled).isfinite()[0, :, 4, 4].any()


@pytest.mark.parametrize("way", [winograd, direct])
def test_the_number_of_threads_changes_no_bit(compiled, way):
    x, weight, gradient = (tensor.float() for tensor in drawn((2, 24, 30, 30), (32, 24, 3, 3), (2, 32, 30, 30)))
    how = 2 if way is winograd else Steps(1, 2, 2)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(both_ways(lambda x, w: way(x, w, how, compiled), (x, weight), gradient))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*found))
