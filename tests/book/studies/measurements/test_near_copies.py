"""The search for near copies finds a photograph that was cropped or mirrored, and no other one."""

import torch
import torch.nn.functional as F

from book.studies.measurements import near_copies


def pictures(count, seed):
    """Smooth random pictures, as photographs are, uint8 (count, 3, 64, 64)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 9, 9, generator=generator)
    return (255 * F.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(0, 1)).byte()


def test_what_was_cropped_mirrored_or_made_darker_is_found_and_nothing_else():
    images = pictures(30, 0)
    cropped = F.interpolate(images[:10, :, 1:63, 1:63].float(), size=(64, 64), mode="bilinear").byte()
    others = torch.cat([cropped, images[10:15].flip(-1), images[15:20] // 2, pictures(20, 1)])
    assert near_copies.near(images, others) == [(index, index) for index in range(20)]
