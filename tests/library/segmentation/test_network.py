"""The segmentation network: what the released one computes, any size of image, any backbone, files."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drn_lib.architecture import list_ablations
from drn_lib.checkpoints.weights import load_weights, save_weights
from drn_lib.network import create_model
from drn_lib.segmentation.network import (
    NORMALIZATION,
    SegmentationNetwork,
    load_segmentation,
    make_backbone,
    save_segmentation,
    upsample,
)
from tests.library.checkpoints.released import fill, image, reference

SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("drn_c_26", "drn_d_38")]
TOLERANCE = 1e-5  # of the largest value: float32 sums in another order on another processor


def released_file(name: str, **changes) -> dict[str, torch.Tensor]:
    known = reference(f"seg_{name}_19")
    state = fill(known["keys"])
    kernel = torch.from_numpy(known["up_kernel"])
    return {**state, "up.weight": kernel.expand(19, 1, 16, 16).clone(), **changes}


def tiny(name: str = "drn_d_22", classes: int = 5, **options) -> SegmentationNetwork:
    torch.manual_seed(0)
    return SegmentationNetwork(create_model(name, 3, 0.125), classes, **options).eval()


@pytest.mark.parametrize("name", ["drn_d_22", *SLOW])
@torch.inference_mode()
def test_a_released_file_gives_the_released_probabilities(name):
    known = reference(f"seg_{name}_19")
    backbone = load_weights(create_model(name, 19), released_file(name))
    model = SegmentationNetwork(backbone, upsampling="released", colors="cityscapes").eval()
    found = model(image(1, 1, 3, 128, 256)).log_softmax(1)
    for theirs, ours in (
        (known["log_prob_every_4"], found[..., ::4, ::4]),
        (known["log_prob_top_left_16"], found[..., :16, :16]),
    ):
        theirs = torch.from_numpy(theirs)
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < TOLERANCE * theirs.abs().max()


def test_the_released_upsampling_is_their_transposed_convolution():
    known = reference("seg_drn_d_22_19")
    kernel = torch.from_numpy(known["up_kernel"]).reshape(1, 1, 16, 16)
    scores = torch.randn(2, 3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    theirs = torch.nn.functional.conv_transpose2d(
        scores, kernel.double().repeat(3, 1, 1, 1), stride=8, padding=4, groups=3
    )
    assert (upsample(scores, (40, 56), 8, "released") - theirs).abs().max() < 1e-12
    ours = upsample(scores, (40, 56), 8)
    assert (ours - theirs)[..., 4:-4, 4:-4].abs().max() < 1e-12
    ones = torch.ones(1, 1, 5, 5)
    assert upsample(ones, (40, 40), 8, "released")[0, 0, 20, :4].tolist() == [0.5625, 0.6875, 0.8125, 0.9375]
    assert torch.equal(upsample(ones, (40, 40), 8), torch.ones(1, 1, 40, 40))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["bilinear", "released"]))
def test_any_size_comes_back_and_a_cell_has_the_same_place_in_every_size(height, width, way):
    generator = torch.Generator().manual_seed(0)
    large = torch.randn(1, 2, 12, 12, generator=generator)
    cells = -(-height // 8), -(-width // 8)
    found = upsample(large[..., : cells[0], : cells[1]], (height, width), 8, way)
    assert found.shape == (1, 2, height, width)
    inside = min(height, 8 * cells[0] - 12), min(width, 8 * cells[1] - 12)  # away from the cut's own border
    if min(inside) > 0:
        whole = upsample(large, (96, 96), 8, way)
        assert torch.allclose(found[..., : inside[0], : inside[1]], whole[..., : inside[0], : inside[1]], atol=1e-6)


@pytest.mark.parametrize("name", ["resnet_18", "drn_a_18", "drn_b_26", "drn_c_26", "drn_d_22", list_ablations()[0]])
@torch.inference_mode()
def test_every_backbone_names_every_pixel_of_an_odd_image(name):
    model = SegmentationNetwork(make_backbone(name, 0.125), 19).eval()
    assert model(torch.zeros(1, 3, 45, 71)).shape == (1, 19, 45, 71)
    assert model.output_stride == (32 if name == "resnet_18" else 8)


@torch.inference_mode()
def test_a_dilated_resnet_is_a_backbone_and_computes_what_the_strided_one_does(tmp_path):
    torch.manual_seed(0)
    file = save_weights(create_model("resnet_18", 4, 0.125), tmp_path / "r.safetensors")
    strided = make_backbone("resnet_18", 0.125, file)
    dilated = SegmentationNetwork(make_backbone("resnet_18", 0.125, file, output_stride=8), 6).eval()
    assert (dilated.output_stride, strided.classifier.out_channels) == (8, 1)
    pixels = torch.randn(1, 3, 96, 64)
    ours = dilated.backbone.last_map(pixels)[..., ::4, ::4]
    assert (ours - strided.eval().last_map(pixels)).abs().max() < 1e-4 * ours.abs().max()
    again = load_segmentation(save_segmentation(dilated, tmp_path / "d.safetensors"))
    assert again.backbone.table.name == "drn_a_18"


def test_the_backbone_stays_as_it_was():
    backbone = create_model("drn_d_22", 3, 0.125)
    model = SegmentationNetwork(backbone, 5)
    assert (backbone.classifier.out_channels, model.num_classes) == (3, 5)
    assert model.backbone.stem.conv.weight.data_ptr() != backbone.stem.conv.weight.data_ptr()
    assert not any(name.startswith(("mean", "std")) for name in model.state_dict())
    assert model.backbone.classifier.weight.std() < 0.02 and not model.backbone.classifier.bias.any()


def test_colors_are_normalized_as_named():
    pixels = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    for name, (mean, std) in NORMALIZATION.items():
        found = tiny(colors=name).prepare(pixels)[0, :, 0, 0]
        assert np.allclose(found, (1 - np.array(mean)) / np.array(std), atol=1e-6)
    with pytest.raises(ValueError, match="uint8 images"):
        tiny().prepare(pixels.float())


@torch.inference_mode()
def test_a_saved_network_comes_back_with_its_way_of_upsampling(tmp_path):
    model = tiny(upsampling="released", colors="cityscapes")
    file = save_segmentation(model, tmp_path / "m.safetensors", list("abcde"), study="none")
    again = load_segmentation(file)
    assert (again.upsampling, again.colors, again.classes) == ("released", "cityscapes", list("abcde"))
    pixels = torch.randn(1, 3, 24, 40)
    assert (again(pixels) - model(pixels)).abs().max() < 2e-2  # 16 bits in the file
    assert not again.training


def test_a_released_file_is_loaded_by_name_of_its_network(tmp_path):
    torch.save(released_file("drn_d_22"), tmp_path / "seg.pth")
    model = load_segmentation(tmp_path / "seg.pth", "drn_d_22")
    assert (model.upsampling, model.colors, model.num_classes) == ("released", "cityscapes", 19)
    with pytest.raises(ValueError, match="does not say which network"):
        load_segmentation(tmp_path / "seg.pth")
    with pytest.raises(ValueError, match="does not fit drn_c_26"):
        load_segmentation(tmp_path / "seg.pth", "drn_c_26")


def test_what_cannot_be_a_segmentation_network_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="network from create_model, not a Linear"):
        SegmentationNetwork(torch.nn.Linear(2, 2), 19)
    with pytest.raises(ValueError, match="there is no upsampling 'nearest'; choose one of bilinear, released"):
        tiny(upsampling="nearest")
    with pytest.raises(ValueError, match="there is no color normalization 'none'; choose one of imagenet, cityscapes"):
        tiny(colors="none")
    file = save_weights(create_model("drn_d_22", 3, 0.125), tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match="classifier of whole images"):
        load_segmentation(file)
    with pytest.raises(FileNotFoundError, match="there is no file .*none.safetensors"):
        load_segmentation(tmp_path / "none.safetensors")
    other = save_segmentation(tiny(), tmp_path / "s.safetensors")
    with pytest.raises(ValueError, match="holds a drn_d_22, not a drn_c_26"):
        load_segmentation(other, "drn_c_26")


@pytest.mark.parametrize("classes", [0, -1, 2.5, "19", True, 10**6])
def test_a_number_of_classes_that_no_network_has(classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number from 1 to 32768, not"):
        tiny(classes=classes)


@torch.inference_mode()
def test_an_enlarged_network_sees_its_images_larger_and_answers_at_their_own_size():
    plain, large = tiny("resnet_18"), tiny("resnet_18", enlarge=2)
    assert (plain.output_stride, large.output_stride) == (32, 16)
    x = torch.randn(2, 3, 50, 70, generator=torch.Generator().manual_seed(1))
    seen = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.equal(large(x), upsample(plain.backbone.score_map(seen), (50, 70), 16))
    assert large(x).shape == plain(x).shape and not torch.equal(large(x), plain(x))


@pytest.mark.parametrize("enlarge", [0, 3, 1.5, 64])
def test_an_enlargement_that_the_cells_do_not_allow_is_refused(enlarge):
    with pytest.raises(ValueError, match="enlarge"):
        tiny("resnet_18", enlarge=enlarge)


def test_no_file_is_written_of_what_no_file_can_say(tmp_path):
    with pytest.raises(ValueError, match="enlarges its images 2 times"):
        save_segmentation(tiny("resnet_18", enlarge=2), tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())
