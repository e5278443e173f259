"""Manifests as people write them: their columns, their files, their boxes; what is refused and what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_formats import Drawings, manifest, write_csv
from PIL import Image

from core.data.dataset import counts_by_split, fingerprint
from core.data.images import ImageError
from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError

TWO = ("a.png", "happy"), ("b.png", "sad")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with a.png and b.png."""
    draw = Drawings()
    for name in ("a.png", "b.png"):
        draw.save(tmp_path, name)
    return tmp_path


def labels(path: Path) -> dict[str, str]:
    frame = read_dataset(path).frame
    return dict(zip(frame["path"], frame["label"], strict=True))


@pytest.mark.parametrize("name", ["manifest.csv", "metadata.csv"])
def test_a_folder_is_read_by_its_manifest(images: Path, name: str):
    write_csv(images / name, ("file_name", "label"), *TWO)
    dataset = read_dataset(images)
    assert (dataset.format, dataset.root, dataset.problems) == ("manifest", images / name, ())
    assert labels(images) == dict(TWO)
    assert dataset.summary == "2 images in 2 classes, without splits"


@pytest.mark.parametrize(
    "content",
    [
        b"path,label\na.png,happy\nb.png,sad\n",
        b"\xef\xbb\xbfpath,label\r\na.png,happy\r\nb.png,sad\r\n",
        b"path;label\na.png;happy\nb.png;sad\n",
        b"path\tlabel\na.png\thappy\nb.png\tsad\n",
        b" Path , LABEL \n a.png , happy \n\nb.png, sad\n",
        b'"id","Path","Label"\n1,"a.png","happy"\n2,"./b.png","sad"\n',
        "path\tlabel\na.png\thappy\nb.png\tsad\n".encode("utf-16"),
        b"path,label\na.png,happy,,\nb.png,sad,,\n",
        b"sep=;\npath;label\na.png;happy\nb.png;sad\n",
        b"image,emotion\na.png,happy\nb.png,sad\n",
    ],
)
def test_csv_files_as_programs_write_them(images: Path, content: bytes):
    (images / "faces.csv").write_bytes(content)
    assert labels(images / "faces.csv") == dict(TWO)


def test_paths_are_relative_to_the_manifest_or_absolute(images: Path):
    (images / "lists").mkdir()
    write_csv(images / "lists" / "x.csv", ("path", "label"), ("../a.png", "happy"), (images / "b.png", "sad"))
    assert labels(images / "lists" / "x.csv") == {"../a.png": "happy", str(images / "b.png"): "sad"}


def test_backslashes_are_slashes_where_no_file_has_them(images: Path):
    (images / "x").mkdir()
    (images / "a.png").rename(images / "x" / "a.png")
    write_csv(images / "x.csv", ("path", "label"), ("x\\a.png", "happy"), ("b.png", "sad"))
    assert labels(images / "x.csv") == {"x/a.png": "happy", "b.png": "sad"}


def test_images_may_be_in_a_folder_beside_the_list(tmp_path: Path):
    draw = Drawings()
    for name in ("a.png", "b.png"):
        draw.save(tmp_path, "images", name)
    write_csv(tmp_path / "legend.csv", ("user.id", "image", "emotion"), ("u", *TWO[0]), ("u", *TWO[1]))
    with pytest.raises(DatasetError, match=r"or give \S+/legend\.csv, which lists them"):
        read_dataset(tmp_path)
    assert labels(tmp_path / "legend.csv") == {"images/a.png": "happy", "images/b.png": "sad"}


def test_splits_may_have_a_manifest_each(tmp_path: Path):
    draw = Drawings()
    for folder in ("train", "Test"):
        for name in ("a.png", "b.png"):
            draw.save(tmp_path, folder, name)
        write_csv(tmp_path / folder / "metadata.csv", ("file_name", "label"), *TWO)
    dataset = read_dataset(tmp_path)
    assert counts_by_split(dataset.frame) == {"train": {"happy": 1, "sad": 1}, "test": {"happy": 1, "sad": 1}}
    assert dataset.frame["path"][0] == "Test/a.png"


def test_splits_have_any_of_their_names(images: Path):
    write_csv(
        images / "x.csv", ("path", "label", "Usage"), ("a.png", "happy", "Training"), ("b.png", "sad", "PublicTest")
    )
    assert read_dataset(images / "x.csv").frame["split"].tolist() == ["train", "validation"]


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        (("box",), ("10,5,30,45",)),
        (("bbox",), ("[10.0, 5.0, 30.0, 45.0]",)),
        (("Left", "Top", "Right", "Bottom"), (10, 5, 30, 45)),
    ],
)
def test_a_box_crops(images: Path, header: tuple[str, ...], cells: tuple[object, ...]):
    write_csv(
        images / "x.csv",
        ("path", "label", *header),
        ("a.png", "happy", *cells),
        ("b.png", "sad", *[""] * len(cells)),
    )
    dataset = read_dataset(images / "x.csv")
    assert dataset.frame["path"].tolist() == ["a.png#10,5,30,45", "b.png"]
    whole = np.asarray(Image.open(images / "a.png"))
    assert np.array_equal(np.asarray(dataset.image("a.png#10,5,30,45")), whole[5:45, 10:30])
    assert dataset.image("b.png").size == (48, 48)


def test_a_box_may_leave_the_image_in_part(images: Path):
    write_csv(images / "x.csv", ("path", "label", "box"), ("a.png", "x", "-9,40,9,99"), ("a.png", "y", "50,0,60,9"))
    dataset = read_dataset(images / "x.csv")
    assert dataset.image("a.png#-9,40,9,99").size == (9, 8)
    with pytest.raises(ImageError, match=r"its box \(50, 0, 60, 9\) is outside of the image \(48 x 48 pixels\)"):
        dataset.image("a.png#50,0,60,9")


def test_another_box_is_another_fingerprint(images: Path):
    prints = set()
    for box in ("", "0,0,48,48", "0,0,48,47"):
        write_csv(images / "x.csv", ("path", "label", "box"), ("a.png", "happy", box))
        prints.add(fingerprint(read_dataset(images / "x.csv")))
    assert len(prints) == 3


def test_the_fingerprint_without_boxes_is_that_of_the_folders(tmp_path: Path):
    draw = Drawings()
    for name in ("happy", "sad"):
        draw.save(tmp_path, "faces", name, "0.png")
    before = fingerprint(read_dataset(tmp_path / "faces"))
    write_csv(tmp_path / "x.csv", ("path", "label"), ("faces/happy/0.png", "happy"), ("faces/sad/0.png", "sad"))
    assert fingerprint(read_dataset(tmp_path / "x.csv")) == before


def test_votes_are_shares_of_the_classes(tmp_path: Path):
    root = manifest(tmp_path, Drawings())
    assert "votes" not in read_dataset(root).frame
    dataset = read_dataset(root, votes="soft")
    assert dataset.classes == ("happy", "sad")
    assert dataset.frame["votes"].tolist() == [(0.75, 0.25), (0.0, 1.0), (0.0, 1.0), (0.75, 0.25)]
    assert dataset.frame["group"].tolist() == ["anna", "ben", "anna", ""]


def test_missing_files_are_one_problem(images: Path):
    write_csv(images / "x.csv", ("path", "label"), *TWO, *((f"{number}.png", "sad") for number in range(5)))
    dataset = read_dataset(images / "x.csv")
    assert [(problem.kind, problem.message) for problem in dataset.problems] == [
        (
            "missing_file",
            "skipped rows whose image files are missing: 0.png, 1.png, 2.png and 2 more; restore the files, or remove "
            "the rows",
        )
    ]
    assert dataset.summary == "2 images in 2 classes, without splits; left out: 5 missing files"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.png", "1 cell, not 6"),
        ("a.png,happy,,,,,x", "7 cells, not 6"),
        (",happy,,,,", "the path is empty"),
        ("a.png, ,,,,", "the label is empty"),
        ("a.png,happy,part 2,,,", "the split is 'part 2', not train, validation or test"),
        ('a.png,happy,,"1,2,3",,', "the box is '1,2,3', not left,top,right,bottom"),
        ('a.png,happy,,"9,0,9,9",,', "the box 9,0,9,9 is empty; the order is left,top,right,bottom"),
        ('a.png,happy,,"0,0,1e30,9",,', "the box is '0,0,1e30,9', which no image has"),
        ("a.png,happy,,,,7", 'the votes are \'7\', not as {"happy": 7, "sad": 3}'),
        ("b.png,happy,,,,", "b.png is listed twice"),
    ],
)
def test_a_broken_row_is_told_with_its_line(images: Path, row: str, reason: str):
    (images / "x.csv").write_text(f"path,label,split,box,group,votes\nb.png,sad,,,,\n{row}\n")
    dataset = read_dataset(images / "x.csv")
    assert dataset.frame["path"].tolist() == ["b.png"]
    [problem] = dataset.problems
    assert problem.message == f"skipped broken rows: x.csv#00003: {reason}; correct or remove them"


def test_labels_that_differ_in_case_are_one_class(images: Path):
    write_csv(images / "x.csv", ("path", "label"), ("a.png", "happy"), ("b.png", "Happy"))
    dataset = read_dataset(images / "x.csv")
    assert dataset.classes == ("happy",)
    assert dataset.problems[0].message == (
        "labels that differ only in case, Unicode form or blanks are read as one class: happy and Happy; give the "
        "images of a class the same label"
    )


def test_numbers_of_pandas_are_whole(images: Path):
    write_csv(images / "x.csv", ("path", "label"), ("a.png", "3.0"), ("b.png", "4"))
    assert labels(images / "x.csv") == {"a.png": "3", "b.png": "4"}


def test_nothing_to_read_is_refused(images: Path):
    write_csv(images / "x.csv", ("path", "label"), ("c.png", "happy"))
    with pytest.raises(DatasetError, match=r"x\.csv: no image of the manifest can be read: skipped rows whose image"):
        read_dataset(images / "x.csv")
    with pytest.raises(DatasetError, match="no manifest; give a CSV or Parquet file with the columns path and label"):
        read_dataset(images, format="manifest")


def test_a_list_without_labels_is_no_manifest(tmp_path: Path):
    Drawings().save(tmp_path, "happy", "a.png")
    write_csv(tmp_path / "metadata.csv", ("file_name", "text"), ("happy/a.png", "a face"))
    assert read_dataset(tmp_path).format == "folders"


def test_a_name_that_is_not_utf8(tmp_path: Path):
    name = b"caf\xe9.png"
    Drawings().save(tmp_path, "a.png").rename(tmp_path / name.decode(errors="surrogateescape"))
    (tmp_path / "x.csv").write_bytes(b"path,label\n" + name + b",happy\n")
    dataset = read_dataset(tmp_path / "x.csv")
    assert dataset.image(dataset.frame["path"][0]).size == (48, 48)
