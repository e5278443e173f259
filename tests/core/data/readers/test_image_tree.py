"""Image trees as people have them: which images are read, as which split and class, and what is said of the rest."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.dataset import Dataset, counts_by_split, fingerprint
from core.data.readers.image_tree import is_left_out_by_decoding_1
from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError

WriteTree = Callable[..., Path]
TWO = {"happy": 2, "sad": 2}


def classes_in(*folders: str) -> dict[str, int]:
    return {f"{folder}/{name}": count for folder in folders for name, count in TWO.items()}


def problem(dataset: Dataset, kind: str) -> str:
    [message] = [problem.message for problem in dataset.problems if problem.kind == kind]
    return message


def refusal(root: Path) -> str:
    """Return the refusal of a tree, without the root that it begins with."""
    with pytest.raises(DatasetError) as error:
        read_dataset(root)
    assert str(error.value).startswith(f"{root}: ")
    return str(error.value).removeprefix(f"{root}: ")


# Splits and the folders on the way


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("train", "testing"), ("train", "test")),
        (("training", "validation_data"), ("train", "validation")),
        (("Training Set", "Test-Set"), ("train", "test")),
        (("train_images", "valid_images"), ("train", "validation")),
        (("TRAIN", "DEV"), ("train", "validation")),
        (("train", "eval"), ("train", "validation")),
        (("train", "dev", "eval"), ("train", "validation", "test")),
        (("Training", "PublicTest", "PrivateTest"), ("train", "validation", "test")),
        (("train", "public_test", "Private Test"), ("train", "validation", "test")),
    ],
)
def test_a_split_may_have_any_of_its_names(
    tmp_path: Path, write_tree: WriteTree, folders: tuple[str, ...], splits: tuple[str, ...]
):
    dataset = read_dataset(write_tree(tmp_path, classes_in(*folders)))
    assert counts_by_split(dataset.frame) == dict.fromkeys(splits, TWO)
    by_folder = dataset.frame["path"].str.partition("/")[0]
    assert dict(zip(by_folder, dataset.frame["split"], strict=True)) == dict(zip(folders, splits, strict=True))
    assert dataset.problems == ()


@pytest.mark.parametrize(
    "folders",
    [
        ("fer2013/fer2013/train", "fer2013/fer2013/test"),
        ("archive/images/train", "archive/images/test"),
        ("train/train", "test/test"),
        ("train/images", "test/images"),
    ],
)
def test_folders_on_the_way_are_followed(tmp_path: Path, write_tree: WriteTree, folders: tuple[str, ...]):
    root = write_tree(tmp_path, {**classes_in(*folders), "__MACOSX/train/happy": 2})
    (root / ".DS_Store").touch()
    dataset = read_dataset(root)
    assert counts_by_split(dataset.frame) == {"train": TWO, "test": TWO}
    assert [(found.kind, found.paths) for found in dataset.problems] == [("hidden_file", (".DS_Store", "__MACOSX"))]
    assert dataset.summary == "8 images in 2 classes, train and test; left out: 2 hidden files"


def test_a_class_alone_is_not_followed(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {"train/happy/anna": 2, "train/happy/ben": 1}))
    assert counts_by_split(dataset.frame) == {"train": {"happy": 3}}


def test_a_link_to_a_parent_ends(tmp_path: Path, write_tree: WriteTree):
    (write_tree(tmp_path, {"train": 0}) / "train" / "again").symlink_to("..")
    assert "no images found" in refusal(tmp_path)


def test_images_deeper_in_a_class_are_read(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {"train/happy": 2, "train/happy/more/b": 3, "train/sad/anna": 1}))
    assert counts_by_split(dataset.frame) == {"train": {"happy": 5, "sad": 1}}
    assert dataset.problems == ()
    assert dataset.summary == "6 images in 2 classes, train"


@pytest.mark.parametrize("suffix", ["jfif", "webp", "BMP", "gif", "tif", "TIFF", "pgm", "ppm"])
def test_images_of_all_formats_are_listed(tmp_path: Path, suffix: str):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / f"a.{suffix}").touch()
    assert read_dataset(tmp_path).frame["path"].tolist() == [f"x/a.{suffix}"]


# What is no class


def test_what_looks_like_a_split_is_left_out_and_counted(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, classes_in("train", "test_b2")))
    assert dataset.splits == ("train",)
    assert problem(dataset, "looks_like_a_split") == (
        "folders that look like splits are left out: test_b2 (4 images); name them train, validation or test"
    )


@pytest.mark.parametrize("counts", [{"FER2013Train": 2, "FER2013Valid": 2}, classes_in("train-1", "train-2")])
def test_splits_alone_are_never_classes(tmp_path: Path, write_tree: WriteTree, counts: dict[str, int]):
    told = refusal(write_tree(tmp_path, counts))
    assert told.endswith("looks like a split; name the splits train, validation and test")


@pytest.mark.parametrize(
    ("counts", "name", "lines"),
    [
        ({"FER2013Train": 2, "FER2013Valid": 2}, "FER2013Train/label.csv", "000.png,(0 0 48 48),1\n001.png,(0),2\n"),
        ({"images": 3}, "legend.csv", "user.id,image,emotion\nu,000.png,happy\n"),
        ({"images": 3}, "list.txt", "000.png 1\n001.png 2\n"),
        ({"train/images": 3, "val/images": 3}, "train/labels.txt", "000.png 1\n"),
        ({".": 3}, "labels.csv", "image;label\n000.png;happy\n"),
    ],
)
def test_folders_with_a_list_of_labels_are_no_classes(
    tmp_path: Path, write_tree: WriteTree, counts: dict[str, int], name: str, lines: str
):
    (write_tree(tmp_path, counts) / name).write_text(lines)
    assert refusal(tmp_path).startswith(f"{name} looks like a list of labels, so the folders are no classes; put the")


def test_a_list_beside_classes_is_only_told(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, classes_in("train", "val"))
    (root / "labels.csv").write_text("path,label\na.png,happy\n")
    (root / "README.txt").write_text("Faces.\nSee the paper.\n")
    dataset = read_dataset(root)
    assert {found.kind: found.paths for found in dataset.problems} == {
        "label_list": ("labels.csv",),
        "foreign_file": ("README.txt",),
    }


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (classes_in("S01", "S02"), "'S01' has folders of classes (happy, sad), so it is no class; give"),
        (classes_in("train/ck", "train/jaffe"), "'train/ck' has folders of classes (happy, sad)"),
        (classes_in("ck/train", "jaffe/train"), "'ck' and 'jaffe' both contain splits; give one of these"),
        ({"happy/train": 1, "sad/train": 1}, "'happy' and 'sad' both contain splits"),
        ({"happy": 1, "happy/train": 1, "sad": 1}, "'happy/train' is a split inside a class; put the splits above"),
        ({".": 4}, "4 images in no class folder, such as 000.png; expected"),
        ({"train": 4, "test": 2}, "6 images in no class folder, such as train/000.png; expected"),
    ],
)
def test_a_wrong_level_is_refused_with_the_remedy(
    tmp_path: Path, write_tree: WriteTree, counts: dict[str, int], told: str
):
    assert refusal(write_tree(tmp_path, counts)).startswith(told)


def test_images_outside_the_classes_are_counted(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {**classes_in("train"), "test": 5}))
    assert problem(dataset, "not_classes").startswith(
        "images in no class folder are left out: test/000.png and 4 more;"
    )
    assert dataset.summary.endswith("left out: 5 images outside the classes")


@pytest.mark.parametrize(
    "names",
    [
        [f"{who}/{who}{code}S.JPG" for who in ("AF01", "AM02") for code in ("AF", "AN", "DI", "HA")],
        [f"{who}/{who}.{code}1.3.tiff" for who in ("KA", "KL") for code in ("FE", "AN", "SU", "HA")],
        [f"{who}/{name}.png" for who in ("anna", "ben") for name in ("happy", "Sadness", "fear_2")],
    ],
)
def test_persons_are_told(tmp_path: Path, names: list[str]):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    dataset = read_dataset(tmp_path, format="folders")
    assert problem(dataset, "not_classes").startswith("the folders look like persons, not classes")


def test_classes_with_their_expression_or_numbers_in_the_names_are_no_persons(tmp_path: Path):
    for name in ("happy", "sad", "anger"):
        (tmp_path / name).mkdir()
        for number in range(4):
            (tmp_path / name / f"{name}_{number}.png").touch()
            (tmp_path / name / f"{number}.png").touch()
    assert read_dataset(tmp_path).problems == ()


# Archives and formats


def test_an_archive_is_named_whatever_its_name(tmp_path: Path):
    (tmp_path / "a.txt").write_text("faces" * 100)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.write(tmp_path / "a.txt")
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        packed.add(tmp_path / "a.txt")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"faces"))
    (tmp_path / "fer2013.csv").write_bytes((tmp_path / "a.zip").read_bytes())
    (tmp_path / "a.rar").write_bytes(b"Rar!\x1a\x07\0")
    for name in ("a.zip", "a.tar", "a.csv.gz", "a.rar", "fer2013.csv"):
        assert refusal(tmp_path / name) == "this is an archive; unpack it, and give the folder"


def test_an_archive_in_the_folder_is_named(tmp_path: Path, write_tree: WriteTree):
    (tmp_path / "faces.7z").touch()
    assert refusal(tmp_path) == "no images found; faces.7z is an archive: unpack it first"
    dataset = read_dataset(write_tree(tmp_path, classes_in("train", "val")))
    assert problem(dataset, "archive") == (
        "skipped archives: faces.7z; unpack them if their images belong to the data set"
    )


def test_formats_that_are_not_read_are_counted(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, classes_in("train"))
    for name in ("train/happy/a.HEIC", "train/sad/b.avif"):
        (root / name).touch()
    dataset = read_dataset(root)
    assert problem(dataset, "unread_format") == (
        "images in formats that are not read are left out: train/happy/a.HEIC and 1 more; convert them to JPEG or PNG"
    )
    assert dataset.summary == "4 images in 2 classes, train; left out: 2 files in formats that are not read"


def test_a_folder_of_such_formats_alone_is_refused(tmp_path: Path):
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "a.heic").touch()
    assert (
        refusal(tmp_path)
        == "no images found that can be read; 1 file such as happy/a.heic: convert them to JPEG or PNG"
    )


# Names of classes


@pytest.mark.parametrize(
    ("train", "validation", "name"),
    [
        ("Happy", "happy", "Happy"),
        ("happy ", "happy", "happy"),
        ("cafe\u0301", "caf\u00e9", "caf\u00e9"),
        ("HAPPY", "Happy ", "HAPPY"),
    ],
)
def test_a_class_that_the_splits_spell_differently_is_one(
    tmp_path: Path, write_tree: WriteTree, train: str, validation: str, name: str
):
    counts = {f"train/{train}": 2, "train/sad": 1, f"val/{validation}": 1, "val/sad": 1}
    dataset = read_dataset(write_tree(tmp_path, counts))
    assert counts_by_split(dataset.frame) == {"train": {name: 2, "sad": 1}, "validation": {name: 1, "sad": 1}}
    [found] = dataset.problems
    assert (found.kind, found.paths) == ("names_differ_in_case", (f"train/{train}", f"val/{validation}"))
    assert found.message.endswith("; give the folders of a class the same name")


# Runs of version 0.1.0


def test_a_folder_that_version_0_1_0_read_whole_has_its_fingerprint(faces: Path):
    dataset = read_dataset(faces, decoding=1)
    assert fingerprint(dataset) == fingerprint(read_dataset(faces))
    assert not any(is_left_out_by_decoding_1(path) for path in dataset.frame["path"])


@pytest.mark.parametrize(
    ("path", "left_out"),
    [
        ("train/happy/a.png", False),
        ("VAL/happy/a.JPG", False),
        ("images/test/happy/a.jpeg", False),
        ("happy/a.png", False),
        ("train/happy/a.webp", True),
        ("train/happy/more/a.png", True),
        ("testing/happy/a.png", True),
        ("happy/more/a.png", True),
    ],
)
def test_what_version_0_1_0_left_out(path: str, left_out: bool):
    assert is_left_out_by_decoding_1(path) is left_out
