"""What the readers of street scenes advise."""

import pytest
from PIL import Image

from drn_lib.datasets.contract import DataError
from drn_lib.datasets.street_scenes import CamVid, Cityscapes


@pytest.mark.parametrize(
    ("reader", "says", "does_not_say"),
    [
        (Cityscapes, "unpack gtFine_trainvaltest.zip beside leftImg8bit", "camvid"),
        (CamVid, "python -m drn_lib data camvid", "gtFine_trainvaltest"),
    ],
)
def test_missing_labels_are_answered_as_the_set_is_published(reader, says, does_not_say, tmp_path):
    image = tmp_path / "leftImg8bit" / "val" / "0016E5" / "0016E5_000000_007959_leftImg8bit.png"
    image.parent.mkdir(parents=True)
    Image.new("RGB", (2, 2)).save(image)
    with pytest.raises(DataError, match=says) as caught:
        reader(tmp_path, "val")
    assert does_not_say not in str(caught.value) and "_gtFine_labelIds.png" in str(caught.value)
