"""What a cleaned copy and a manifest leave out, and what they never touch."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest
from data_formats import Drawings, fer2013, write_csv
from PIL import Image

from core.data import cleaning
from core.data.audit import audit_dataset
from core.data.cleaning import find_left_out, write_cleaned
from core.data.dataset import Dataset, counts_by_split
from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes in three splits, with one fault of each kind."""
    root = tmp_path / "faces"
    draw = Drawings()
    for split in ("train", "validation", "test"):
        for name in ("happy", "sad"):
            for number in range(3):
                draw.save(root, split, name, f"{number}.png")
    shutil.copy(root / "train/happy/0.png", root / "train/happy/copy.png")
    shutil.copy(root / "train/happy/1.png", root / "validation/happy/of_train.png")
    shutil.copy(root / "validation/happy/1.png", root / "test/happy/of_validation.png")
    shutil.copy(root / "test/happy/1.png", root / "train/sad/wrong.png")
    (root / "train/sad/broken.png").write_bytes(b"no image")
    Image.new("L", (48, 48), 7).save(root / "test/sad/blank.png")
    (root / "notes.txt").touch()
    return root


REASONS = {
    "notes.txt": ("foreign_file", "left out by the reader"),
    "test/happy/1.png": ("conflicting_labels", "the same pixels are 'sad' in train/sad/wrong.png"),
    "test/sad/blank.png": ("blank", "all pixels have nearly the same value"),
    "train/happy/1.png": ("duplicate_across_splits", "the same pixels as validation/happy/of_train.png"),
    "train/happy/copy.png": ("duplicate", "the same pixels as train/happy/0.png"),
    "train/sad/broken.png": ("undecodable", "not a JPEG, PNG, WebP, BMP, GIF, TIFF, PGM or PPM image"),
    "train/sad/wrong.png": ("conflicting_labels", "the same pixels are 'happy' in test/happy/1.png"),
    "validation/happy/1.png": ("duplicate_across_splits", "the same pixels as test/happy/of_validation.png"),
}


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def listed(path: Path) -> dict[str, tuple[str, str]]:
    with path.open(newline="") as file:
        return {row["path"]: (row["reason"], row["detail"]) for row in csv.DictReader(file)}


def test_every_fault_is_left_out_for_a_reason(root: Path):
    left_out = find_left_out(read_dataset(root))
    assert {image.path: (image.reason, image.detail) for image in left_out} == REASONS
    assert [(image.label, image.split) for image in left_out][:2] == [("", ""), ("happy", "test")]


@pytest.mark.parametrize("name", ["clean", "clean.csv", "clean.parquet"])
def test_a_cleaned_data_set_has_no_faults(root: Path, tmp_path: Path, name: str):
    before = files_of(root)
    out = tmp_path / "new" / name
    cleaned = write_cleaned(read_dataset(root), out)
    assert files_of(root) == before
    assert (cleaned.images, listed(cleaned.list)) == (17, REASONS)
    again = read_dataset(out)
    assert counts_by_split(again.frame) == {
        "train": {"happy": 2, "sad": 3},
        "validation": {"happy": 3, "sad": 3},
        "test": {"happy": 3, "sad": 3},
    }
    assert audit_dataset(again) == []


def test_what_is_written(root: Path, tmp_path: Path):
    write_cleaned(read_dataset(root), tmp_path / "clean")
    copied = files_of(tmp_path / "clean")
    assert copied.pop("left_out.csv")
    assert copied == {path: content for path, content in files_of(root).items() if path not in REASONS}
    write_cleaned(read_dataset(root), tmp_path / "clean.csv")
    lines = (tmp_path / "clean.csv").read_text().splitlines()
    assert lines[:2] == ["path,label,split", "faces/test/happy/0.png,happy,test"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "clean-left_out.csv", "clean.csv", "faces"]


def test_a_manifest_elsewhere_has_absolute_paths(root: Path, tmp_path: Path):
    write_cleaned(read_dataset(root), tmp_path / "lists" / "clean.csv")
    assert (tmp_path / "lists" / "clean.csv").read_text().splitlines()[1] == f"{root}/test/happy/0.png,happy,test"


def test_rows_become_images(tmp_path: Path):
    dataset = read_dataset(fer2013(tmp_path / "fer", Drawings()))
    write_cleaned(dataset, tmp_path / "clean.csv")
    assert (tmp_path / "clean-images" / "fer2013-00002.png").is_file()
    write_cleaned(dataset, tmp_path / "clean")
    assert (tmp_path / "clean" / "train" / "happy" / "fer2013-00002.png").is_file()


def test_images_of_the_same_name_are_all_kept(tmp_path: Path):
    draw = Drawings()
    for folder in ("a", "B", "c"):
        draw.save(tmp_path, "set", "happy", folder, "0.png" if folder != "B" else "0.PNG")
        draw.save(tmp_path, "set", "sad", folder, "0.png")
    write_cleaned(read_dataset(tmp_path / "set"), tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out" / "happy").iterdir())
    assert names == ["0-2.png", "0-3.png", "0.PNG"]
    assert len(read_dataset(tmp_path / "out").frame) == 6


def test_a_file_without_an_images_ending_becomes_png(tmp_path: Path):
    draw = Drawings()
    draw.save(tmp_path, "a.png").rename(tmp_path / "a")
    draw.save(tmp_path, "b.png").rename(tmp_path / "b.dat")
    write_csv(tmp_path / "x.csv", ("path", "label"), ("a", "happy"), ("b.dat", "sad"))
    write_cleaned(read_dataset(tmp_path / "x.csv"), tmp_path / "out")
    assert read_dataset(tmp_path / "out").frame["path"].tolist() == ["happy/a.png", "sad/b.png"]


@pytest.mark.parametrize("label", ["a/b", "..", ".x", "test", "train-2", "x" * 300])
def test_a_class_that_no_folder_can_have_needs_a_manifest(tmp_path: Path, label: str):
    draw = Drawings()
    for name in ("a.png", "b.png"):
        draw.save(tmp_path, name)
    write_csv(tmp_path / "x.csv", ("path", "label"), ("a.png", label), ("b.png", "sad"))
    dataset = read_dataset(tmp_path / "x.csv")
    with pytest.raises(
        DatasetError, match="can't be the name of a class folder; rename the class, or write a manifest"
    ):
        write_cleaned(dataset, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    write_cleaned(dataset, tmp_path / "y.csv")
    assert read_dataset(tmp_path / "y.csv").classes == dataset.classes


@pytest.mark.parametrize("name", ["full", "full.csv", "file", "images.csv"])
def test_an_output_that_is_not_empty_is_refused(root: Path, tmp_path: Path, name: str):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for file in ("full.csv", "file"):
        (tmp_path / file).write_text("x")
    (tmp_path / "images-images").mkdir()
    (tmp_path / "images-images" / "x").touch()
    before = files_of(tmp_path)
    with pytest.raises(DatasetError, match="this exists and is not empty; name a new"):
        write_cleaned(read_dataset(root), tmp_path / name)
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("name", ["clean", "train/clean", "clean.csv", "../faces/clean"])
def test_nothing_is_written_into_the_data_set(root: Path, name: str):
    with pytest.raises(DatasetError, match="this is inside of the data set"):
        write_cleaned(read_dataset(root), root / name)


def test_an_empty_folder_is_filled(root: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    before = (tmp_path / "empty").stat().st_ino
    assert write_cleaned(read_dataset(root), tmp_path / "empty").images == 17
    assert len(read_dataset(tmp_path / "empty").frame) == 17
    assert (tmp_path / "empty").stat().st_ino == before


def test_an_interrupted_copy_leaves_nothing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    copied: list[Path] = []

    def interrupt(dataset: Dataset, path: str, target: Path) -> None:
        copied.append(target)
        if len(copied) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(cleaning, "_write_image", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_cleaned(read_dataset(root), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_the_copy_follows_the_umask(root: Path, tmp_path: Path):
    before = os.umask(0o027)
    try:
        write_cleaned(read_dataset(root), tmp_path / "out")
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750


def test_nothing_left_is_refused(tmp_path: Path):
    for name in ("happy", "sad"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "0.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match="no image is left; 'fer-tui data check' says why"):
        write_cleaned(read_dataset(tmp_path / "set"), tmp_path / "out")
