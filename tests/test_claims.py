"""Claims of the paper that are exact, each in a few lines; `data/paper/claims.yml` names these tests."""

import torch
from torch.nn.functional import conv2d

from drn_lib.network import create_model


def test_c4_one_pixel_becomes_nine_that_stand_apart():
    image = torch.zeros(1, 1, 7, 7)
    image[0, 0, 3, 3] = 1
    lattice = conv2d(image, torch.ones(1, 1, 3, 3), padding=2, dilation=2)[0, 0]
    active = lattice.nonzero().tolist()
    assert active == [[row, column] for row in (1, 3, 5) for column in (1, 3, 5)]
    for row, column in active:
        assert lattice[row - 1 : row + 2, column - 1 : column + 2].sum() == lattice[row, column]


def test_c14_mean_of_the_score_map_is_the_logits():
    torch.manual_seed(0)
    for name in ("resnet_18", "drn_a_18", "drn_c_26"):
        model = create_model(name, num_classes=20, width=0.25).double().eval()
        image = torch.randn(2, 3, 96, 64, dtype=torch.float64)
        with torch.inference_mode():
            score_map, logits = model.score_map(image), model(image)
        assert score_map.shape[1] == 20 and score_map[0, 0].numel() > 1
        assert torch.allclose(score_map.mean(dim=(2, 3)), logits, rtol=0, atol=1e-12)
        assert not torch.allclose(score_map.amax(dim=(2, 3)), logits, rtol=0, atol=1e-3)
