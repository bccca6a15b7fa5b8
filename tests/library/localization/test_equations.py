"""The three equations against the sets that they are written with, and every choice that the paper leaves open."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import drn_lib
from drn_lib import create_model, geometry
from drn_lib.conversion import dilate
from drn_lib.geometry.axis import pair
from drn_lib.localization import equations
from drn_lib.localization.cam import cam_boxes, upsample_over_image
from drn_lib.localization.equations import (
    boxes,
    class_evidence,
    class_map,
    localize,
    map_jump,
    peak_points,
    tight_boxes,
)
from drn_lib.localization.options import BoxOptions
from drn_lib.localization.photographs import find_object

# Equal values must occur, so the maps hold few different ones.
small_maps = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda shape: arrays("float32", shape, elements=st.sampled_from([-2.0, -0.5, 0.0, 0.5, 1.0, 3.0]))
)


def by_the_sets(score_map, c, t):
    """Equations (1) to (3) as they stand, in cells, for one image (C, h, w): corners of the box, or None."""
    count, height, width = score_map.shape
    cells = [(w, h) for w in range(width) for h in range(height)]
    g = {cell: {k for k in range(count) if all(f(score_map, k, cell) >= f(score_map, j, cell) for j in range(count))}
         for cell in cells}  # fmt: skip
    qualifying = [cell for cell in cells if c in g[cell] and f(score_map, c, cell) > t]
    valid = [
        ((w1, h1), (w2, h2))
        for w1, h1 in cells
        for w2, h2 in cells
        if w1 <= w2 and h1 <= h2 and all(w1 <= w <= w2 and h1 <= h <= h2 for w, h in qualifying)
    ]
    if not qualifying:
        return None
    # One cell more on each side: in cells alone a line of cells would have no area, and many boxes would tie.
    return min(valid, key=lambda box: (box[1][0] - box[0][0] + 1) * (box[1][1] - box[0][1] + 1))


def f(score_map, c, cell):
    return score_map[c, cell[1], cell[0]].item()


@settings(deadline=None, max_examples=150)
@given(small_maps, st.integers(0, 3), st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0]))
def test_boxes_are_what_the_sets_say(values, c, t):
    score_map, c = torch.from_numpy(values), c % len(values)
    height, width = score_map.shape[1:]
    expected = by_the_sets(score_map, c, t)
    found = boxes(score_map[None], torch.tensor([c]), t, (8 * height, 8 * width), jump=8)[0]
    if expected is None:
        assert found.isnan().all()
    else:
        (w1, h1), (w2, h2) = expected
        assert found.tolist() == [8 * w1, 8 * h1, 8 * w2 + 8, 8 * h2 + 8]


@settings(deadline=None, max_examples=40)
@given(small_maps)
def test_the_class_map_is_equation_1(values):
    score_map = torch.from_numpy(values)
    winners = equations.class_map(score_map[None])[0]
    assert winners.any(dim=0).all()  # every cell has a winner
    for c in range(len(score_map)):
        assert torch.equal(winners[c], torch.stack([score_map[c] >= other for other in score_map]).all(dim=0))


@pytest.mark.parametrize("name", ["resnet_18", "drn_a_18", "drn_b_26", "drn_c_26", "drn_d_22"])
def test_the_mean_of_the_maps_is_the_pooled_logits(name):
    torch.manual_seed(0)
    model = drn_lib.create_model(name, 7, width=0.125).eval()
    x = torch.randn(2, 3, 72, 96)
    with torch.inference_mode():
        assert torch.allclose(equations.pooled_logits(model.score_map(x)), model(x), rtol=1e-4, atol=1e-5)


def one_class_map(rows):
    """A map of two classes: class 1 has these scores, class 0 has 0 everywhere."""
    own = torch.tensor(rows, dtype=torch.float32)
    return torch.stack([torch.zeros_like(own), own])[None]


def box_of(score_map, t, size, **choices):
    return boxes(score_map, torch.tensor([1]), t, size, BoxOptions(**choices))[0].tolist()


def test_all_qualifying_cells_count_not_the_largest_part():
    apart = one_class_map([[5, 0, 0, 0], [5, -1, -1, -1], [-1, -1, -1, -1], [-1, -1, -1, 1]])
    assert box_of(apart, 0.5, 32) == [0, 0, 32, 32]
    assert box_of(apart, 2.0, 32) == [0, 0, 8, 16]
    assert cam_boxes(apart[:, 1], 0.9, 32)[0].tolist()[2:] < [16, 16]


def test_cell_edges():
    middle = one_class_map([[-1] * 8 for _ in range(3)] + [[-1, -1, 1, 1, -1, -1, -1, -1]] + [[-1] * 8] * 4)
    assert box_of(middle, 0, 64) == [16, 24, 32, 32]
    assert box_of(middle, 0, 64, cell_edges="centre") == [12, 20, 28, 28]
    everywhere = one_class_map([[1] * 8] * 8)
    assert box_of(everywhere, 0, 64) == [0, 0, 64, 64]
    assert box_of(everywhere, 0, 64, cell_edges="centre") == [0, 0, 60, 60]  # clipped; the last half cell is nobody's
    ends = geometry.cell_edges(7, 8, 64)
    assert ends == (52, 60)


def test_one_cell_is_a_box_of_its_own_pixels():
    assert box_of(one_class_map([[-1, -1], [-1, 2]]), 0, 64) == [32, 32, 64, 64]
    assert box_of(one_class_map([[2]]), 0, (20, 30)) == [0, 0, 30, 20]


def test_one_cell_may_count_as_none():
    alone = one_class_map([[-1, -1], [-1, 2]])
    assert all(math.isnan(edge) for edge in box_of(alone, 0, 64, one_cell="none"))
    assert box_of(alone, 0, 64, one_cell="none", empty="image") == [0, 0, 64, 64]
    for two in ([[-1, 2], [2, -1]], [[2, 2], [-1, -1]], [[2, -1], [2, -1]]):
        assert box_of(one_class_map(two), 0, 64, one_cell="none") == box_of(one_class_map(two), 0, 64)


def test_no_qualifying_cell():
    low = one_class_map([[-3, -1], [-2, -4]])
    assert all(math.isnan(edge) for edge in box_of(low, 0, 64))
    assert box_of(low, 0, 64, empty="peak") == [32, 0, 64, 32]
    assert box_of(low, 0, (64, 60), empty="image") == [0, 0, 60, 64]


def test_softmax_is_a_probability():
    even = torch.zeros(1, 4, 2, 2)
    assert box_of(even, 0.2499, 16, scores="softmax") == [0, 0, 16, 16]
    assert math.isnan(box_of(even, 0.2501, 16, scores="softmax")[0])


def test_many_thresholds_at_once():
    torch.manual_seed(1)
    score_map, classes = torch.randn(5, 3, 4, 4), torch.tensor([0, 1, 2, 0, 1])
    thresholds = torch.tensor([-1.0, 0.3, 1.5, 9.0])
    together = boxes(score_map, classes, thresholds, 32)
    assert together.shape == (4, 5, 4)
    for t, found in zip(thresholds.tolist(), together):
        assert torch.equal(found.nan_to_num(-1), boxes(score_map, classes, t, 32).nan_to_num(-1))


@pytest.mark.parametrize("name", ["resnet_18", "drn_c_26"])
@pytest.mark.parametrize("size", [(33, 65), (64, 50), (31, 100)])
def test_any_size_has_its_cells(name, size):
    """The jump that the sizes give is the network's own, also where it does not divide the image."""
    cells = geometry.table(name, size).rows[-1]
    assert map_jump(cells.size, size) == (cells.jump, cells.jump)
    whole = boxes(torch.ones(1, 1, *cells.size), torch.tensor([0]), 0.0, size)[0].tolist()
    assert whole == [0, 0, size[1], size[0]]


def test_the_jump_of_other_maps():
    assert map_jump((10, 10), 100) == (10, 10)
    assert map_jump((1, 1), 5) == (8, 8)
    assert map_jump((1, 1), 2048) == (2048, 2048) and map_jump((1, 1), 2047) == (2048, 2048)
    assert map_jump((1, 1), 2049) == (2049, 2049)  # no network halves its maps twelve times
    pytest.raises(ValueError, map_jump, (10, 7), (100, 100)).match("jump=")
    with pytest.raises(ValueError, match="do not lie in 64 pixels"):
        boxes(torch.ones(1, 1, 8, 8), torch.tensor([0]), 0.0, 64, jump=16)


def test_a_densely_read_network_holds_the_cells_of_the_coarse_one():
    """Dilated after training by the exact rule: the same scores at the same places, so the box can only grow."""
    torch.manual_seed(0)
    model = drn_lib.create_model("resnet_18", 3, width=0.125).eval()
    x = torch.randn(4, 3, 128, 128)
    centre = BoxOptions(cell_edges="centre")
    classes, coarse = localize(model, x, -math.inf, options=centre)
    _, dense = localize(dilate(model), x, -math.inf, classes, centre, jump=8)
    assert coarse.isfinite().all()
    # A coarse cell is 32 px wide, its middle is at 32i; the dense box holds the middle of every qualifying one.
    places = torch.where(coarse == 0, coarse, coarse + torch.tensor([16.0, 16.0, -16.0, -16.0]))
    assert (dense[:, :2] <= places[:, :2]).all() and (dense[:, 2:] >= places[:, 2:]).all()


def test_peak_points():
    own = torch.zeros(1, 8, 8)
    own[0, 2, 5] = 1
    assert peak_points(own, 64).tolist() == [[44, 20]]
    assert peak_points(own, 64, cell_edges="centre").tolist() == [[40.5, 16.5]]
    assert peak_points(torch.ones(1, 1, 1), (3, 4), jump=8).tolist() == [[3.5, 2.5]]  # not outside the image


@pytest.mark.parametrize("edges", ["tile", "centre"])
@pytest.mark.parametrize(("size", "jump"), [((32, 64), 8), ((30, 59), (8, 8)), ((25, 80), (8, 10)), ((40, 70), 8)])
def test_upsampling_is_linear_between_the_cells_and_constant_beyond_them(size, jump, edges):
    maps = torch.randn(2, 4, 8, dtype=torch.float64)
    expected = maps.numpy()
    for axis, (side, step) in enumerate(zip(size, pair(jump)), start=1):
        places = (np.arange(side) + 0.5) / step - 0.5 if edges == "tile" else np.arange(side) / step  # in cells
        cells = np.arange(maps.shape[axis])
        expected = np.apply_along_axis(lambda line, at=places, c=cells: np.interp(at, c, line), axis, expected)
    assert np.abs(upsample_over_image(maps, size, jump, edges).numpy() - expected).max() < 1e-12
    assert np.abs(upsample_over_image(maps.float(), size, jump, edges).numpy() - expected).max() < 4e-6


def test_cam_boxes_take_the_largest_part_of_each_image():
    own = torch.zeros(3, 8, 8)
    own[0, 0, 0] = own[0, 4:7, 5:8] = own[1, 1:3, 1:3] = 1.0
    own[1, 6, 6] = 0.2
    found = cam_boxes(own, 0.5, 64)
    assert found[0].tolist() == [40, 32, 64, 56]
    assert found[1].tolist() == [8, 8, 24, 24]
    assert found[2].tolist() == [0, 0, 64, 64]  # the same everywhere
    assert cam_boxes(own, 0.0, 64).tolist() == [[0, 0, 64, 64]] * 3
    assert cam_boxes(own[:2], 1.0, 64).isfinite().all()


@pytest.mark.parametrize(
    ("score_map", "classes", "choices", "message"),
    [
        (torch.zeros(2, 3, 4), [0, 0], {}, "score map"),
        (torch.zeros(2, 3, 0, 4), [0, 0], {}, "score map"),
        (torch.full((1, 3, 2, 2), math.nan), [0], {}, "not finite"),
        (torch.ones(1, 3, 2, 2, dtype=torch.int64), [0], {}, "floating-point"),
        (torch.zeros(2, 3, 2, 2), [0], {}, "expected one class for each of 2 images"),
        (torch.zeros(1, 3, 2, 2), [0.0], {}, "must be whole numbers, not torch.float32"),
        (torch.zeros(1, 3, 2, 2), [0j], {}, "must be whole numbers, not torch.complex64"),
        (torch.zeros(1, 3, 2, 2), [3], {}, r"0\.\.2"),
        (torch.zeros(1, 3, 2, 2), [-1], {}, r"0\.\.2"),
        (torch.zeros(1, 3, 2, 2), [0], {"scores": "sigmoid"}, "no choice of scores called"),
        (torch.zeros(1, 3, 2, 2), [0], {"cell_edges": "middle"}, "no choice of cell_edges called"),
        (torch.zeros(1, 3, 2, 2), [0], {"empty": "guess"}, "no choice of empty called"),
        (torch.zeros(1, 3, 2, 2), [0], {"one_cell": "guess"}, "no choice of one_cell called"),
        (torch.zeros(1, 3, 2, 2), [True], {}, "must be whole numbers, not torch.bool"),
        (torch.zeros(1, 3, 2, 2), [0], {"threshold": math.nan}, "the threshold must be a number or a tensor"),
        (torch.zeros(1, 3, 2, 2), [0], {"threshold": [[0.0]]}, "the threshold must be a number or a tensor"),
        (torch.zeros(1, 3, 2, 2), [0], {"threshold": None}, "the threshold must be a number or a tensor"),
        (torch.zeros(1, 3, 2, 2), [0], {"threshold": "0.5"}, "the threshold must be a number or a tensor"),
        (torch.zeros(1, 3, 7, 9), [0], {}, "does not follow"),
    ],
)
def test_bad_input_is_refused(score_map, classes, choices, message):
    threshold = choices.pop("threshold", 0.0)
    with pytest.raises(ValueError, match=message):
        boxes(score_map, torch.tensor(classes), threshold, 64, BoxOptions(**choices))


def test_other_bad_input_is_refused():
    pytest.raises(ValueError, cam_boxes, torch.zeros(1, 2, 2), 1.5, 64).match("fraction")
    pytest.raises(ValueError, cam_boxes, torch.full((1, 2, 2), math.inf), 0.5, 64).match("finite")
    pytest.raises(ValueError, peak_points, torch.zeros(1, 0, 2), 64, jump=8).match("finite")
    with pytest.raises(ValueError, match="no choice of scores called"):
        class_evidence(torch.zeros(1, 3, 2, 2), torch.tensor([0]), "probability")
    with pytest.raises(ValueError, match="finite"):
        tight_boxes(torch.full((1, 2, 2), math.nan), torch.ones(1, 2, 2, dtype=torch.bool), 0.0, 64)
    with pytest.raises(ValueError, match="scores hold real numbers, not torch.complex64"):
        cam_boxes(torch.zeros(1, 2, 2, dtype=torch.complex64), 0.5, 64)
    with pytest.raises(ValueError, match="differ in shape"):
        tight_boxes(torch.zeros(1, 2, 2), torch.ones(1, 2, 3, dtype=torch.bool), 0.0, 64)


@pytest.mark.parametrize("wrong", [[[0.0]], np.zeros((1, 3, 2, 2)), 3, None, "map"], ids=repr)
def test_what_is_no_tensor_is_refused(wrong):
    score_map, classes = torch.zeros(1, 3, 2, 2), torch.tensor([0])
    kind = type(wrong).__name__
    for call, name in [
        (lambda: boxes(wrong, classes, 0.0, 64), "the score map must be of type Tensor"),
        (lambda: class_map(wrong), "the score map must be of type Tensor"),
        (lambda: boxes(score_map, wrong, 0.0, 64), "the classes must be of type Tensor"),
        (lambda: boxes(score_map, classes, 0.0, 64, wrong), "options must be of type BoxOptions"),
        (
            lambda: tight_boxes(score_map[:, 0], score_map[:, 0] > 0, 0.0, 64, wrong),
            "options must be of type BoxOptions",
        ),
        (lambda: tight_boxes(wrong, score_map[:, 0] > 0, 0.0, 64), "the scores must be of type Tensor"),
        (lambda: cam_boxes(wrong, 0.5, 64), "the scores must be of type Tensor"),
        (lambda: peak_points(wrong, 64, jump=8), "the scores must be of type Tensor"),
    ]:
        with pytest.raises(ValueError, match=f"^{name}, not {kind}$"):
            call()


@pytest.mark.parametrize("wrong", [0, -8, 64.0, "64", None, True, (64, 64.0), (0, 64)], ids=repr)
def test_sizes_and_jumps_are_whole_numbers(wrong):
    scores = torch.zeros(1, 8, 8)
    for call in (
        lambda: boxes(scores[None], torch.tensor([0]), 0.0, wrong),
        lambda: boxes(scores[None], torch.tensor([0]), 0.0, wrong, jump=8),
        lambda: cam_boxes(scores, 0.5, wrong),
        lambda: peak_points(scores, wrong, jump=8),
        lambda: map_jump((8, 8), wrong),
    ):
        with pytest.raises(ValueError, match="a side of the image must be a whole number of 1 or more, not"):
            call()
    if wrong is not None:
        with pytest.raises(ValueError, match="the jump must be a whole number of 1 or more|do not lie in 8 pixels"):
            peak_points(scores, 8, jump=wrong)


def test_small_integers_may_name_the_classes():
    score_map = torch.randn(2, 3, 4, 4)
    wanted = boxes(score_map, torch.tensor([2, 0]), -math.inf, 32)
    found = boxes(score_map, torch.tensor([2, 0], dtype=torch.uint8), -math.inf, 32)
    assert torch.equal(found.nan_to_num(-1), wanted.nan_to_num(-1))


def test_evidence_is_all_that_boxes_need():
    torch.manual_seed(2)
    score_map, classes = torch.randn(6, 3, 4, 4), torch.arange(6) % 3
    for scores in ("logits", "softmax"):
        options = BoxOptions(scores, empty="peak")
        found = tight_boxes(*class_evidence(score_map, classes, scores), 0.4, 32, options)
        assert torch.equal(found, boxes(score_map, classes, 0.4, 32, options))


@pytest.mark.parametrize("empty", ["none", "peak", "image"])
@pytest.mark.parametrize("edges", ["centre", "tile"])
def test_no_images_have_no_boxes(empty, edges):
    scores, classes, options = (
        torch.zeros(0, 2, 3, 4),
        torch.zeros(0, dtype=torch.long),
        BoxOptions("logits", edges, empty),
    )
    assert boxes(scores, classes, 0.0, (24, 32), options).shape == (0, 4)
    assert boxes(scores, classes, torch.zeros(5), (24, 32), options).shape == (5, 0, 4)
    assert peak_points(scores[:, 0], (24, 32), cell_edges=edges).shape == (0, 2)
    assert cam_boxes(scores[:, 0], 0.2, (24, 32), cell_edges=edges).shape == (0, 4)


def test_a_network_is_read_in_evaluation_mode_and_stays_as_it_is():
    model = create_model("drn_d_22", 10, 0.125)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.randn(2, 3, 64, 64)
    _, found = localize(model, x, -math.inf)
    find_object(model, torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8), size=64)
    assert model.training and all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(found, localize(model.eval(), x, -math.inf)[1])
