"""Whole, sliding and multi-scale inference: what they equal, what they refuse."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drn_lib.network import create_model
from drn_lib.segmentation import inference
from drn_lib.segmentation.inference import _starts, predict_labels, predict_probabilities
from drn_lib.segmentation.network import SegmentationNetwork
from drn_lib.segmentation.options import MULTI_SCALE, RELEASED_SCALES, Inference


def network(classes: int = 4) -> SegmentationNetwork:
    torch.manual_seed(0)
    model = SegmentationNetwork(create_model("drn_d_22", 3, 0.125), classes).eval()
    torch.nn.init.normal_(model.backbone.classifier.weight, 0.0, 1.0)  # so that classes differ
    return model


def picture(height: int = 48, width: int = 72) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


class Pointwise(torch.nn.Module):
    """Logits from a pixel's own color: windows and mirroring cannot change them."""

    output_stride, num_classes = 8, 3

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))

    def prepare(self, images):
        return images.float() / 255.0

    def forward(self, x):
        return 3.0 * x


@pytest.mark.parametrize("size", [(48, 72), (37, 61), (5, 9)])
def test_labels_are_the_most_probable_classes_of_every_pixel(size):
    model, image = network(), picture(*size)
    for how in (Inference(), Inference(window=32, overlap=8), Inference(scales=(0.5, 1.0), mirror=True)):
        labels, probabilities = predict_labels(model, image, how), predict_probabilities(model, image, how)
        assert labels.shape == size and labels.dtype == torch.uint8
        assert torch.equal(labels, probabilities.argmax(0).byte())
        assert torch.allclose(probabilities.sum(0), torch.ones(size), atol=1e-5)
    assert len(predict_labels(model, picture(48, 72)).unique()) > 1


def test_windows_bound_what_is_held(monkeypatch):
    seen = []
    whole = inference._probabilities
    monkeypatch.setattr(inference, "_probabilities", lambda m, x: seen.append(x.shape[1:]) or whole(m, x))
    strips = inference._strips(Pointwise(), picture(200, 72), Inference(window=32, overlap=16))
    held = []
    for _, rows in strips:
        held.append(strips.gi_frame.f_locals["open_rows"].shape[1])
        assert rows.shape[1] <= 32
    assert max(held) <= 2 * 32 and len(held) > 8
    assert max(max(size) for size in seen) == 32


def test_one_window_over_all_is_the_whole_image():
    model, image = network(), picture(40, 40)
    whole = predict_probabilities(model, image)
    assert torch.equal(predict_probabilities(model, image, Inference(window=64, overlap=0)), whole)


def test_overlaps_are_averaged_plainly():
    model, image = network(), picture(32, 48)
    left, right = (predict_probabilities(model, image[:, :, x : x + 32]) for x in (0, 16))
    found = predict_probabilities(model, image, Inference(window=32, overlap=16))
    assert torch.allclose(found[..., :16], left[..., :16], atol=1e-6)
    assert torch.allclose(found[..., 16:32], (left[..., 16:] + right[..., :16]) / 2, atol=1e-6)
    assert torch.allclose(found[..., 32:], right[..., 16:], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([(16, 0), (16, 8), (32, 24), (64, 16)]))
def test_windows_cover_every_pixel_and_change_nothing_for_a_network_without_surroundings(height, width, window):
    image = picture(height, width)
    whole = predict_probabilities(Pointwise(), image)
    found = predict_probabilities(Pointwise(), image, Inference(window=window[0], overlap=window[1]))
    assert torch.allclose(found, whole, atol=1e-6)


@given(st.integers(1, 500), st.sampled_from([(16, 0), (32, 24), (64, 16)]))
def test_windows_start_on_the_cells_of_the_whole_image(side, window):
    starts = _starts(side, *window, step=8)
    assert all(start % 8 == 0 for start in starts)
    assert starts[0] == 0 and starts[-1] + window[0] >= side and starts[-1] < side
    assert all(0 < after - before <= window[0] - window[1] for before, after in zip(starts, starts[1:]))


def test_mirroring_makes_the_answer_mirror_symmetric():
    model, image = network(), picture(40, 64)
    how = Inference(mirror=True)
    straight, mirrored = predict_probabilities(model, image, how), predict_probabilities(model, image.flip(2), how)
    assert torch.allclose(straight, mirrored.flip(2), atol=1e-5)
    assert not torch.allclose(
        predict_probabilities(model, image), predict_probabilities(model, image.flip(2)).flip(2), atol=1e-3
    )


def test_scales_are_averaged_as_probabilities_and_the_released_way_as_logarithms():
    model, image = network(), picture(32, 32)
    one, half = (predict_probabilities(model, image, Inference(scales=(scale,))) for scale in (1.0, 0.5))
    mean = predict_probabilities(model, image, Inference(scales=(1.0, 0.5)))
    assert torch.allclose(mean, (one + half) / 2, atol=1e-6)
    log = predict_probabilities(model, image, Inference(scales=(1.0, 1.0), average="log"))
    assert torch.allclose(log, one, atol=1e-5)
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    image[0] = 255  # probabilities (0.9, 0.05, 0.05), mirrored and resized the same
    assert torch.allclose(
        predict_probabilities(Pointwise(), image, RELEASED_SCALES),
        predict_probabilities(Pointwise(), image, MULTI_SCALE),
        atol=1e-5,
    )
    assert (len(RELEASED_SCALES.views), len(MULTI_SCALE.views)) == (6, 12)


def test_training_goes_on_in_training_mode():
    model = network().train()
    predict_labels(model, picture())
    assert model.training


def test_what_cannot_be_read_is_one_sentence():
    for wrong, sentence in (
        ({"window": 32, "overlap": 32}, "overlap of 32 pixels needs larger windows"),
        ({"scales": ()}, "positive factors"),
        ({"scales": (0.0,)}, "positive factors"),
        ({"average": "mean"}, "choose one of probabilities, log"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Inference(**wrong)
    with pytest.raises(ValueError, match="multiples of the output stride, 8"):
        predict_labels(network(), picture(), Inference(window=36, overlap=8))
    with pytest.raises(ValueError, match="expected an image, uint8 .3, H, W., and got torch.float32"):
        predict_labels(network(), picture().float())


def widest(classes: int, winner: int) -> SegmentationNetwork:
    """A network of many classes, one of which wins everywhere."""
    model = SegmentationNetwork(create_model("drn_d_22", 3, 0.125), classes).eval()
    torch.nn.init.zeros_(model.backbone.classifier.weight)
    model.backbone.classifier.bias.data[winner] = 1
    return model


@pytest.mark.parametrize("how", [Inference(), Inference(window=32, overlap=8), Inference(scales=(0.5, 1.0))])
@pytest.mark.parametrize(
    ("classes", "winner", "dtype"),
    [(4, 3, torch.uint8), (256, 255, torch.uint8), (257, 256, torch.int16), (300, 290, torch.int16)],
)
def test_labels_hold_every_class(how, classes, winner, dtype):
    labels = predict_labels(widest(classes, winner), picture(40, 24), how)
    assert labels.dtype == dtype and labels.unique().tolist() == [winner]


def overflowing(kind: str) -> SegmentationNetwork:
    """Finite weights whose maps are not: infinite, or not a number after an infinite one."""
    model = network()
    model.backbone.stem.norm.weight.data.fill_(1e30)
    if kind == "variance":
        model.backbone.stem.norm.running_var.fill_(1e-44)
    if kind == "classifier":
        model.backbone.stem.norm.weight.data.fill_(1)
        model.backbone.classifier.bias.data[2] = -float("inf")
    else:
        model.backbone.levels["1"][0].convs[0].norm.weight.data.fill_(1e30)
    return model


@pytest.mark.parametrize("how", [Inference(), Inference(window=32, overlap=8), Inference(mirror=True, average="log")])
@pytest.mark.parametrize("kind", ["scale", "variance", "classifier"])
@pytest.mark.parametrize("read", [predict_labels, predict_probabilities])
def test_scores_that_are_not_finite_are_no_answer(read, kind, how):
    model = overflowing(kind).train()
    with pytest.raises(ValueError, match="the network's score map holds values that are not finite"):
        read(model, picture(40, 48), how)
    assert model.training


@pytest.mark.parametrize(
    "image", [torch.zeros(3, 0, 8), torch.zeros(3, 8), torch.zeros(1, 8, 8), torch.zeros(2, 3, 8, 8)]
)
@pytest.mark.parametrize("how", [Inference(), Inference(window=32, overlap=8), Inference(scales=(0.5,))])
def test_what_is_no_image_is_one_sentence(image, how):
    with pytest.raises(ValueError, match="expected .*image.* got"):
        predict_labels(network(), image.byte(), how)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"window": "32"}, "window must be a whole number"),
        ({"window": 0}, "window must be a whole number"),
        ({"window": -8}, "window must be a whole number"),
        ({"window": 32.0}, "window must be a whole number"),
        ({"window": 32, "overlap": 8.0}, "overlap must be a whole number"),
        ({"window": 32, "overlap": -8}, "overlap must be a whole number"),
        ({"scales": ("1",)}, "scales must be positive factors"),
        ({"scales": (float("nan"),)}, "scales must be positive factors"),
        ({"scales": (1.0, 1e6)}, "scales must be positive factors"),
        ({"scales": 1.0}, "scales must be positive factors"),
        ({"average": "logs"}, "there is no average 'logs'; did you mean log"),
    ],
)
def test_ways_of_reading_that_there_are_not(wrong, says):
    pytest.raises(ValueError, Inference, **wrong).match(says)
