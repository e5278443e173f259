"""RAF-DB as people have it: where the list and the images are, and what the labels are called."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from data_formats import Drawings, rafdb

from core.data.dataset import counts_by_split
from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError

COUNTS = {"train": {"happy": 1, "sad": 1}, "test": {"happy": 1, "sad": 1}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return rafdb(tmp_path / "raf", Drawings())


def test_the_release_is_read_by_its_list(root: Path):
    dataset = read_dataset(root)
    assert (dataset.format, counts_by_split(dataset.frame), dataset.problems) == ("rafdb", COUNTS, ())
    assert dataset.frame["path"][0] == "Image/aligned/test_0001_aligned.jpg"
    assert dataset.summary == "aligned images by list_patition_label.txt: 4 images in 2 classes, train and test"


@pytest.mark.parametrize(
    "given",
    ["basic", "basic/Image", "basic/Image/aligned", "basic/EmoLabel", "basic/EmoLabel/list_patition_label.txt"],
)
def test_any_of_its_folders_may_be_given(root: Path, given: str):
    dataset = read_dataset(root / given)
    assert (dataset.format, counts_by_split(dataset.frame)) == ("rafdb", COUNTS)


@pytest.mark.parametrize("name", ["list_patition_label.txt", "list_partition_label.txt"])
@pytest.mark.parametrize("images", ["aligned", ".", "aligned/aligned", "Image/aligned/aligned"])
def test_the_list_may_be_beside_the_images(root: Path, tmp_path: Path, name: str, images: str):
    flat = tmp_path / "flat"
    shutil.copytree(root / "basic" / "Image" / "aligned", flat / images)
    shutil.copy(root / "basic" / "EmoLabel" / "list_patition_label.txt", flat / name)
    assert counts_by_split(read_dataset(flat).frame) == COUNTS


def test_original_images_are_read_where_no_aligned_ones_are(root: Path):
    folder = root / "basic" / "Image"
    (folder / "aligned").rename(folder / "original")
    for path in (folder / "original").iterdir():
        path.rename(path.with_name(path.name.replace("_aligned", "")))
    dataset = read_dataset(root)
    assert counts_by_split(dataset.frame) == COUNTS
    assert dataset.summary.startswith("original images by ")


def test_what_is_missing_and_what_is_broken_is_told(root: Path):
    images = root / "basic" / "Image" / "aligned"
    (images / "train_00001_aligned.jpg").rename(images / "train_00009_aligned.jpg")
    path = root / "basic" / "EmoLabel" / "list_patition_label.txt"
    path.write_text(path.read_text() + "train_00003.jpg 0\ntest_0003.jpg\n\ntrain_00002.jpg 5\n")
    dataset = read_dataset(root)
    assert {problem.kind: problem.message for problem in dataset.problems} == {
        "broken_row": "skipped broken rows: list_patition_label.txt#00005: the label is '0', not 1 to 7 and 2 more; "
        "correct or remove them",
        "missing_file": "skipped rows whose image files are missing: Image/aligned/train_00001.jpg; restore the files, "
        "or remove the rows",
        "foreign_file": "images without a label are left out: Image/aligned/train_00009_aligned.jpg; nothing to do, "
        "unless they belong to a class",
    }
    assert dataset.summary.endswith("; left out: 3 broken rows, 1 missing file, 1 image without a label")


def test_compound_expressions_are_refused(root: Path):
    path = root / "basic" / "EmoLabel" / "list_patition_label.txt"
    path.write_text("train_00001.jpg 11\n")
    with pytest.raises(DatasetError, match="line 1: label 11 is a compound expression of RAF-DB"):
        read_dataset(root)


def test_the_basic_expressions_are_preferred(root: Path):
    shutil.copytree(root / "basic", root / "a_compound")
    assert read_dataset(root).root == root / "basic"


def test_numbered_folders_get_names_only_when_asked(tmp_path: Path, write_tree: Callable[..., Path]):
    root = write_tree(tmp_path, {f"{split}/{number}": 1 for split in ("train", "test") for number in range(1, 8)})
    assert read_dataset(root).classes == ("1", "2", "3", "4", "5", "6", "7")
    dataset = read_dataset(root, format="rafdb")
    assert dataset.classes == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    labels = dict(zip(dataset.frame["path"], dataset.frame["label"], strict=True))
    assert (labels["train/1/000.png"], labels["test/4/000.png"]) == ("surprise", "happy")


def test_other_folders_are_refused(tmp_path: Path, write_tree: Callable[..., Path]):
    root = write_tree(tmp_path, {"train/1": 1, "train/happy": 1})
    with pytest.raises(DatasetError, match=r"neither list_patition_label.txt nor folders 1 to 7 \(there is 'happy'\)"):
        read_dataset(root, format="rafdb")
