"""A folder and an archive read alike, and how much is read and unpacked at most."""

import zipfile

import pytest

from drn_lib.datasets import archives, downloads
from drn_lib.datasets.archives import FolderTree, ZipTree
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.downloads import DownloadError

FILES = {"top/b.txt": b"two", "top/a/c.txt": b"three", "top/a/d/e.txt": b"", "other.txt": b"outside"}


@pytest.fixture(params=["folder", "archive"])
def tree(request, tmp_path):
    if request.param == "folder":
        for name, data in FILES.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
        return FolderTree(tmp_path / "top")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.mkdir("top/empty/")
        for name, data in FILES.items():
            archive.writestr(name, data)
    return ZipTree(tmp_path / "a.zip", "top/")


def test_a_folder_and_an_archive_have_the_same_names_and_bytes(tree):
    assert tree.names() == ["a/c.txt", "a/d/e.txt", "b.txt"] and tree.names("a/") == ["a/c.txt", "a/d/e.txt"]
    assert tree.names("nowhere/") == []
    assert [tree.read(name) for name in tree.names()] == [b"three", b"", b"two"]
    assert "b.txt" in tree and not [name for name in ("a", "c.txt", "other.txt") if name in tree]
    with pytest.raises(DataError, match="no file a/x.txt"):
        tree.read("a/x.txt")


def test_a_member_of_a_quarter_of_a_gib_is_read_and_no_larger_one(tree, monkeypatch):
    assert archives.MOST_BYTES == 2**28
    monkeypatch.setattr(archives, "MOST_BYTES", 3)
    assert tree.read("b.txt") == b"two"
    if isinstance(tree, ZipTree):
        with pytest.raises(DataError, match="a/c.txt in .* unpacks to 5 bytes"):
            tree.read("a/c.txt")


def test_an_archive_unpacks_to_a_hundred_times_its_size_and_so_many_members(tmp_path, monkeypatch):
    file = tmp_path / "a.tar"
    file.write_bytes(bytes(1000))
    monkeypatch.setattr(downloads, "SMALL", 10)

    def size(*sizes):
        return downloads._checked_size(file, [(f"{number}.txt", one, "") for number, one in enumerate(sizes)])

    assert size() == 0 and size(40_000, 60_000) == 100_000
    with pytest.raises(DownloadError, match="would unpack to more than 0 MB, far beyond its own size"):
        size(40_000, 60_001)
    monkeypatch.setattr(downloads, "SMALL", 2_000_000)  # a few megabytes are no harm
    assert size(2_000_000) == 2_000_000
    with pytest.raises(DownloadError, match="to more than 2 MB"):
        size(1_000_000, 1_000_001)
    monkeypatch.setattr(downloads, "MOST_MEMBERS", 2)
    assert size(1, 2) == 3
    with pytest.raises(DownloadError, match="more than 2 members"):
        size(1, 2, 3)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["/etc/passwd"], "a path out of its folder"),
        (["a/../../b"], "a path out of its folder"),
        (["..\\b"], "a path out of its folder"),
        (["C:\\b", ""], "a path out of its folder"),
        (["a/" + "x" * 256], "whose name is too long for a disk"),
        (["a/b.txt", "A/B.TXT"], "which is there twice"),
    ],
)
def test_a_member_that_cannot_be_unpacked_safely_is_named(tmp_path, names, says):
    (tmp_path / "a.zip").write_bytes(b"")
    with pytest.raises(DownloadError, match=f"has the member .*, {says}: do not use it"):
        downloads._checked_size(tmp_path / "a.zip", [(name, 1, "") for name in names])
    fine = [("a/", 0, ""), ("a/", 0, ""), ("a/" + "x" * 255, 1, ""), ("b..txt", 1, "")]  # a folder may come again
    assert downloads._checked_size(tmp_path / "a.zip", fine) == 2
