"""The formula that fills a network for the comparison with tests/data/released; see the README there."""

import json
import zlib

import numpy as np
import torch

from tests import ROOT

FOLDER = ROOT / "tests" / "data" / "released"


def reference(name: str) -> dict:
    """The recorded arrays of one network; `keys` as a list of (name, shape)."""
    with np.load(FOLDER / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    arrays["keys"] = [(key, tuple(shape)) for key, shape in json.loads(str(arrays["keys"]))]
    return arrays


def fill(keys: list[tuple[str, tuple[int, ...]]]) -> dict[str, torch.Tensor]:
    """A state dict with these names and shapes, drawn name by name."""
    return {name: _draw(name, shape) for name, shape in keys}


def image(seed: int, *shape: int) -> torch.Tensor:
    """The recorded input."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def randomized(model: torch.nn.Module) -> torch.nn.Module:
    """Statistics that are not neutral, so that a misplaced normalization shows."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return model.eval()


def _draw(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        values = random.uniform(0.5, 1.5, shape)
    elif name.endswith("running_mean"):
        values = 0.1 * random.standard_normal(shape)
    elif len(shape) >= 2:
        values = random.standard_normal(shape) * np.sqrt(1 / np.prod(shape[1:]))
    elif name.endswith("weight"):
        values = random.uniform(0.5, 1.5, shape)
    else:
        values = 0.1 * random.standard_normal(shape)
    return torch.from_numpy(np.asarray(values, np.float32))
