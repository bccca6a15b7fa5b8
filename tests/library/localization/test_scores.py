"""Overlaps, errors, ceilings and trivial answers, against counting pixels and trying everything."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drn_lib.geometry.axis import cell_edges
from drn_lib.localization import scores as scoring

corner = st.tuples(st.integers(0, 11), st.integers(0, 11))
box = st.tuples(corner, st.tuples(st.integers(1, 8), st.integers(1, 8))).map(
    lambda b: [float(b[0][0]), float(b[0][1]), float(b[0][0] + b[1][0]), float(b[0][1] + b[1][1])]
)


def pixels(one):
    x0, y0, x1, y1 = map(int, one)
    return {(x, y) for x in range(x0, x1) for y in range(y0, y1)}


@settings(deadline=None, max_examples=100)
@given(box, box)
def test_iou_counts_pixels(one, other):
    expected = len(pixels(one) & pixels(other)) / len(pixels(one) | pixels(other))
    assert scoring.iou(torch.tensor(one), torch.tensor(other)).item() == pytest.approx(expected, rel=1e-6)


def test_no_box_overlaps_nothing():
    true = torch.tensor([0.0, 0.0, 4.0, 4.0])
    assert scoring.iou(torch.full((4,), torch.nan), true).item() == 0
    assert scoring.iou(torch.tensor([3.0, 3.0, 2.0, 2.0]), true).item() == 0
    assert scoring.iou(torch.zeros(4), torch.zeros(4)).item() == 0


def test_a_box_whose_edges_are_swapped_has_no_area():
    swapped = torch.tensor([[3.0, 3, 2, 2], [3, 0, 2, 4], [0, 4, 3, 1], [1, 2, 4, 4]])
    assert scoring.area(swapped).tolist() == [0, 0, 0, 6]


def test_the_best_of_several_true_boxes_counts():
    true = scoring.pad_boxes([torch.tensor([[0.0, 0, 4, 4], [8, 8, 12, 12]]), torch.tensor([[0.0, 0, 2, 2]])])
    assert true.shape == (2, 2, 4)
    found = torch.tensor([[8.0, 8, 12, 12], [0, 0, 2, 4]])
    assert scoring.best_iou(found, true).tolist() == [1.0, 0.5]
    assert scoring.best_iou(torch.stack([found, found]), true).shape == (2, 2)
    points = torch.tensor([[9.0, 9.0], [2.0, 1.0]])
    assert scoring.pointing_hits(points, true).tolist() == [True, False]  # the right edge is not inside
    pytest.raises(ValueError, scoring.best_iou, found[:1], true).match("2 images")
    pytest.raises(ValueError, scoring.pad_boxes, [torch.zeros(0, 4)]).match("at least one")
    pytest.raises(ValueError, scoring.best_iou, found, torch.zeros(2, 5)).match("true boxes must")


def test_errors_by_hand():
    ious = torch.tensor([0.5, 0.51, 0.9, 0.2])
    assert [scoring.gt_known_error(ious, level).item() for level in (0.3, 0.5, 0.7)] == [25.0, 50.0, 75.0]
    labels = torch.tensor([0, 1, 0, 1])
    logits = torch.tensor([[3.0, 2, 1], [3, 2, 1], [3, 2, 1], [2, 3, 1]])
    assert scoring.localization_error(logits, labels, ious) == 75.0  # the third alone: right class, right box
    assert scoring.localization_error(logits, labels, ious, k=2) == 50.0
    assert scoring.localization_error(logits, labels, ious, k=3, level=0.3) == 25.0
    pytest.raises(ValueError, scoring.localization_error, logits, labels, ious, k=4).match("k must")


def test_the_true_class_decides_as_table_2_says():
    """ILSVRC asks for k classes with a box each; only the true class among them can be right."""
    torch.manual_seed(0)
    logits, labels = torch.randn(40, 6), torch.randint(6, (40,))
    ious = torch.rand(40, 6)  # of each class's own box
    for k in (1, 5):
        best = logits.topk(k, dim=1).indices
        right = (best == labels[:, None]) & (ious.gather(1, best) > 0.5)
        expected = 100.0 * (1 - right.any(dim=1).double().mean().item())
        own = ious.gather(1, labels[:, None])[:, 0]
        assert scoring.localization_error(logits, labels, own, k) == pytest.approx(expected)


@settings(deadline=None, max_examples=60)
@given(box, st.sampled_from([(1, 1), (2, 2), (3, 5), (5, 3)]), st.sampled_from(["centre", "tile"]))
def test_the_ceiling_is_the_best_of_all_grid_boxes(true, grid, edges):
    size = (4 * grid[0], 4 * grid[1])
    sides = []
    for count, side in zip(grid[::-1], size[::-1]):
        cells = [cell_edges(i, 4, side, convention=edges) for i in range(count)]
        sides.append([(a[0], b[1]) for i, a in enumerate(cells) for b in cells[i:]])
    every = torch.tensor([[x0, y0, x1, y1] for x0, x1 in sides[0] for y0, y1 in sides[1]], dtype=torch.float32)
    expected = scoring.iou(every, torch.tensor(true)).max().item()
    found = scoring.ceiling(torch.tensor([true]), grid, size, edges).item()
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_finer_grid_has_a_higher_ceiling():
    torch.manual_seed(0)
    corners, sides = torch.rand(200, 2) * 150, 20 + torch.rand(200, 2) * 50
    true = torch.cat([corners, corners + sides], dim=1)
    coarse, fine = (scoring.ceiling(true, grid, 224) for grid in (7, 28))
    assert (fine >= coarse).all() and coarse.mean() < 0.6 < 0.8 < fine.mean()
    assert scoring.ceiling(torch.tensor([[32.0, 0, 64, 96]]), 7, 224).item() == 1.0
    pytest.raises(ValueError, scoring.ceiling, true, 7, 224, "corner").match("cell_edges")


def test_size_terciles_are_equal_thirds_by_area():
    sides = torch.tensor([5.0, 1, 9, 3, 7, 2])
    true = torch.stack([torch.zeros(6), torch.zeros(6), sides, torch.full((6,), 4.0)], dim=1)
    assert scoring.size_terciles(true).tolist() == [1, 0, 2, 1, 2, 0]


def test_the_largest_of_several_boxes_makes_an_images_size():
    small, middle, large = ([0.0, 0, side, side] for side in (2, 4, 8))
    true = scoring.pad_boxes([torch.tensor(boxes) for boxes in ([small, large], [small], [middle, small])])
    assert scoring.size_terciles(true).tolist() == [2, 0, 1]


def test_no_image_and_other_counts_are_refused():
    logits, labels = torch.zeros(3, 4), torch.zeros(3, dtype=torch.long)
    for ious in (torch.ones(1), torch.ones(2)):
        with pytest.raises(ValueError, match="one overlap for each of 3 images"):
            scoring.localization_error(logits, labels, ious)
    pytest.raises(ValueError, scoring.gt_known_error, torch.zeros(0)).match("at least one image")
    for value in (float("nan"), float("inf")):
        ious = torch.tensor([0.1, value, 0.9])
        pytest.raises(ValueError, scoring.gt_known_error, ious).match("the overlaps holds values that are not finite")
        with pytest.raises(ValueError, match="the overlaps holds values that are not finite"):
            scoring.localization_error(logits, labels, ious)
    for wrong in ([0.5, 0.5, 0.5], 0.5, None):
        says = f"the overlaps must be of type Tensor, not {type(wrong).__name__}"
        pytest.raises(ValueError, scoring.gt_known_error, wrong).match(says)
        pytest.raises(ValueError, scoring.localization_error, logits, labels, wrong).match(says)
        says = f"the true boxes must be of type Tensor, not {type(wrong).__name__}"
        pytest.raises(ValueError, scoring.size_terciles, wrong).match(says)
        pytest.raises(ValueError, scoring.best_iou, torch.zeros(1, 4), wrong).match(says)
        pytest.raises(ValueError, scoring.pointing_hits, torch.zeros(1, 2), wrong).match(says)
    pytest.raises(ValueError, scoring.best_fixed_box, torch.zeros(0, 4), 64).match("at least one image")


def test_the_best_fixed_box_is_found():
    torch.manual_seed(0)
    true = torch.tensor([9.0, 18.0, 50.0, 61.0]) + torch.randint(-2, 3, (100, 4))
    true[0] = torch.tensor([0.0, 0, 3, 3])
    found = scoring.best_fixed_box(true, 64)
    ious = scoring.best_iou(found.expand(100, 4), true)
    assert scoring.gt_known_error(ious).item() == pytest.approx(1.0) and ious[1:].mean() > 0.85
    assert scoring.whole_image(2, (3, 5)).tolist() == [[0, 0, 5, 3]] * 2
