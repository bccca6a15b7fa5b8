"""What the tests of the explorers share: the chapters' places, sizes, and the library's maps of a toy and its grid."""

from __future__ import annotations

import json

import torch
import torch.nn.functional as F

from book.explorers import data

FOLDER = data.FOLDER
DATA = {
    kind: json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    for kind in ("receptive", "sort", "gridding", "threshold")
}
PAGES = {  # place -> chapter
    "receptive-01": "01_dilation_arithmetic",
    "receptive-02": "02_resnet_to_drn_a",
    "sort-03": "03_gridding",
    "gridding-03": "03_gridding",
    "gridding-04": "04_degridding",
    "threshold-06": "06_localization",
}
MOST_BYTES = 85_000  # all explorers together, as they are written: nothing is minified
MOST_OF_A_PAGE = 50_000


def sizes() -> dict[str, int]:
    """Bytes of each of the explorers' files, by name."""
    return {path.name: path.stat().st_size for path in sorted(FOLDER.iterdir()) if not path.name.startswith(".")}


def words(figure) -> list[str]:
    return figure.locator(".words").all_inner_texts()


def library_stages(start: torch.Tensor, layers: list[dict], wrap: bool) -> list[torch.Tensor]:
    """The map (28, 28) and what each layer [1, 2, 1] / 4 makes of it, in torch; a layer is {d, link, relu}."""
    taps, maps = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64) / 4, [start]
    for layer in layers:
        d, x = layer["d"], maps[-1][None, None]
        padded = F.pad(x, (d,) * 4, mode="circular" if wrap else "constant")
        y = F.conv2d(F.conv2d(padded, taps.view(1, 1, 3, 1), dilation=d), taps.view(1, 1, 1, 3), dilation=d)
        y = y + x if layer.get("link") else y
        maps.append(((y - y.mean()).relu() if layer.get("relu") else y)[0, 0])
    return maps


def grid_shares(maps: torch.Tensor) -> tuple[float, float]:
    """How much of the variance of maps (..., H, W) repeats every 2 cells, and how much every 4 but not every 2.

    For toys that go on beyond their border; H and W are multiples of 4. All maps together, each without its mean.
    """
    height, width = maps.shape[-2:]
    x = maps.double() - maps.double().mean((-2, -1), keepdim=True)
    two, four = (
        x.reshape(-1, height // p, p, width // p, p).mean((1, 3)).square().mean() / x.square().mean() for p in (2, 4)
    )
    return two.item(), (four - two).item()
