"""KDEF and JAFFE: the expression and the person are in the names of the files."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_formats import Drawings, jaffe, kdef

from core.data.dataset import counts_by_split
from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError

COUNTS = {"all": {"angry": 4, "fear": 4, "happy": 4}}


def test_persons_are_groups_and_codes_are_classes(tmp_path: Path):
    dataset = read_dataset(kdef(tmp_path, Drawings()))
    assert (dataset.format, counts_by_split(dataset.frame), dataset.problems) == ("kdef", COUNTS, ())
    assert dataset.frame["group"].tolist() == ["AF01"] * 6 + ["AM02"] * 6
    assert dataset.summary == "12 images in 3 classes, without splits; 2 people, 6 straight, 6 half profile"


@pytest.mark.parametrize("folder", ["KDEF_and_AKDEF/KDEF/{person}", "KDEF", "."])
@pytest.mark.parametrize("suffix", ["JPG", "jpg", "png"])
def test_where_the_images_are_does_not_matter(tmp_path: Path, folder: str, suffix: str):
    draw = Drawings()
    for person in ("BF07", "bm12"):
        for code in ("DI", "NE", "SA", "SU"):
            draw.save(tmp_path, folder.format(person=person), f"{person}{code.lower()}FR_cropped.{suffix}")
    dataset = read_dataset(tmp_path)
    assert dataset.format == "kdef"
    assert counts_by_split(dataset.frame) == {"all": dict.fromkeys(("disgust", "neutral", "sad", "surprise"), 2)}
    assert set(dataset.frame["group"]) == {"BF07", "BM12"}
    assert dataset.summary.endswith("; 2 people, 8 full profile")


def test_folders_of_splits_are_splits(tmp_path: Path):
    for split in ("train", "test"):
        kdef(tmp_path / split, Drawings())
    assert counts_by_split(read_dataset(tmp_path).frame) == {"train": COUNTS["all"], "test": COUNTS["all"]}


def test_class_folders_stay_an_image_tree(tmp_path: Path):
    draw = Drawings()
    for name, code in (("afraid", "AF"), ("angry", "AN"), ("happy", "HA")):
        for person in ("AF01", "AM02"):
            draw.save(tmp_path, name, f"{person}{code}S.JPG")
    dataset = read_dataset(tmp_path)
    assert (dataset.format, dataset.classes) == ("folders", ("afraid", "angry", "happy"))


def test_other_names_are_left_out(tmp_path: Path):
    root = kdef(tmp_path, Drawings())
    Drawings().save(root, "AF01", "AF31V.JPG")
    (root / "readme.txt").touch()
    dataset = read_dataset(root)
    assert counts_by_split(dataset.frame) == COUNTS
    assert {problem.paths for problem in dataset.problems} == {("AF01/AF31V.JPG",), ("readme.txt",)}


def test_jaffe(tmp_path: Path):
    dataset = read_dataset(jaffe(tmp_path, Drawings()))
    assert counts_by_split(dataset.frame) == {"all": {"angry": 2, "fear": 2, "happy": 2}}
    assert dataset.frame["group"].tolist() == ["KA"] * 3 + ["YM"] * 3
    assert dataset.summary == "6 images in 3 classes, without splits; 2 people"


def test_a_folder_without_such_names_is_refused(tmp_path: Path):
    Drawings().save(tmp_path, "happy", "a.png")
    with pytest.raises(DatasetError, match=r"no image has a name of KDEF such as AF01ANS\.JPG; choose another format"):
        read_dataset(tmp_path, format="kdef")
