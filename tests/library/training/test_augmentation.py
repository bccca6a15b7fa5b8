"""Which random numbers an image gets: results that are stored came of these streams, and runs resume by them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from drn_lib.training import augmentation
from drn_lib.training.augmentation import augment, epoch_order, training_crop
from drn_lib.training.recipes import recipe

SHIFTED = replace(recipe("shapes-live"), crop_padding=2)


def noise(*shape):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_an_epochs_order_is_drawn_from_seed_and_epoch():
    assert epoch_order(3, 5, 9).tolist() == np.random.default_rng([3, 5]).permutation(9).tolist()


@pytest.mark.parametrize("mirror", [True, False])
def test_an_image_is_shifted_and_mirrored_by_its_own_numbers(mirror):
    images, indices = noise(6, 3, 4, 5), torch.tensor([7, 0, 3, 12, 1, 40])
    shown = augment(images, indices, 3, 5, replace(SHIFTED, mirror=mirror))
    mirrored = 0
    for image, index, found in zip(images, indices.tolist(), shown):
        random = np.random.default_rng([3, 5, index + 1])
        top, left = random.integers(0, 5, 2)
        bordered = np.pad(image.numpy(), ((0, 0), (2, 2), (2, 2)), mode="reflect")
        expected = bordered[:, top : top + 4, left : left + 5]
        if mirror and random.random() < 0.5:
            expected, mirrored = expected[..., ::-1], mirrored + 1
        assert np.array_equal(found.numpy(), expected)
    assert mirrored in (range(1, 6) if mirror else (0,))


def test_without_a_border_an_image_is_mirrored_alone():
    images = noise(4, 3, 4, 5)
    shown = augment(images, torch.arange(4), 0, 0, replace(SHIFTED, crop_padding=0))
    assert all(torch.equal(one, image) or torch.equal(one, image.flip(2)) for one, image in zip(shown, images))


@pytest.mark.parametrize("changes", [{}, {"mirror": False}, {"color": None}, {"color": None, "mirror": False}])
def test_a_crop_is_torchvisions_by_the_numbers_of_its_image(changes):
    plan, photograph = recipe("imagenet", image_size=16, shorter_side=20, **changes), noise(3, 30, 40)
    steps = [v2.RandomResizedCrop(16, (0.08, 1.0), (3 / 4, 4 / 3))]
    steps += [v2.RandomHorizontalFlip()] if plan.mirror else []
    steps += [v2.ColorJitter(0.4, 0.4, 0.4), augmentation._lighting] if plan.color else []
    for index in range(4):
        state = torch.random.get_rng_state()
        found = training_crop(photograph, 3, 5, index, plan)
        assert torch.equal(torch.random.get_rng_state(), state)  # the caller's own numbers stay
        with torch.random.fork_rng():
            torch.manual_seed(int(np.random.default_rng([3, 5, index + 1]).integers(2**63)))
            assert torch.equal(found, v2.Compose(steps)(photograph))


def test_light_changes_along_the_axes_of_imagenets_colors():
    """Krizhevsky et al. 2012: the axes [p1 p2 p3] times (a1 l1, a2 l2, a3 l3), a of deviation 0.1, as published."""
    axes = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    assert axes.T @ axes == pytest.approx(np.eye(3), abs=2e-4)
    torch.manual_seed(4)
    step = axes @ (0.1 * torch.randn(3).double().numpy() * [0.2175, 0.0188, 0.0045])
    image = torch.tensor([0, 100, 200, 255], dtype=torch.uint8).expand(3, 1, 4)
    torch.manual_seed(4)
    found = augmentation._lighting(image)
    expected = np.clip(np.round(image.numpy() + 255 * step[:, None, None]), 0, 255)
    assert found.dtype == torch.uint8 and np.array_equal(found.numpy(), expected) and abs(step).max() > 0.004
