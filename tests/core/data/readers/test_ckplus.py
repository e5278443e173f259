"""CK+ as people have it: which frames are read, from which labels, of which persons."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_formats import Drawings, ckplus

from core.data.dataset import counts_by_split
from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError

COUNTS = {"all": {"disgust": 3, "happy": 3, "neutral": 2}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return ckplus(tmp_path / "CK+", Drawings())


def test_the_first_and_the_last_three_frames_of_labelled_sequences_are_read(root: Path):
    dataset = read_dataset(root)
    assert (dataset.format, counts_by_split(dataset.frame), dataset.problems) == ("ckplus", COUNTS, ())
    frame = dataset.frame
    folder = "cohn-kanade-images/S005/001/S005_001_"
    assert frame["path"].tolist()[:4] == [f"{folder}{number:08d}.png" for number in (1, 4, 5, 6)]
    assert frame["label"].tolist()[:4] == ["neutral", "disgust", "disgust", "disgust"]
    assert frame["group"].tolist() == ["S005"] * 4 + ["S010"] * 4
    assert dataset.summary == (
        "the first frame (neutral) and the last 3 of each labelled sequence: 8 images in 3 classes, without splits; "
        "1 sequence without a label left out"
    )


def test_the_archives_may_be_in_folders_of_their_own(root: Path, tmp_path: Path):
    (root / "Emotion").rename(root / "moved")
    (tmp_path / "all" / "Emotion_labels").mkdir(parents=True)
    (root / "moved").rename(tmp_path / "all" / "Emotion_labels" / "Emotion")
    (tmp_path / "all" / "extended-cohn-kanade-images").mkdir()
    (root / "cohn-kanade-images").rename(tmp_path / "all" / "extended-cohn-kanade-images" / "cohn-kanade-images")
    assert counts_by_split(read_dataset(tmp_path / "all").frame) == COUNTS


def test_the_folder_of_the_images_may_be_given(root: Path):
    assert counts_by_split(read_dataset(root / "cohn-kanade-images").frame) == COUNTS


def test_a_short_sequence_keeps_its_neutral_frame(root: Path):
    folder = root / "cohn-kanade-images" / "S005" / "001"
    for number in range(3, 7):
        (folder / f"S005_001_{number:08d}.png").unlink()
    labels = read_dataset(root).frame["label"].tolist()
    assert labels[:2] == ["neutral", "disgust"]


@pytest.mark.parametrize(("text", "label"), [("7.0000000e+00", "surprise"), ("1", "angry"), (" 2.0\n", "contempt")])
def test_labels_are_floats(root: Path, text: str, label: str):
    (root / "Emotion" / "S005" / "001" / "S005_001_00000006_emotion.txt").write_text(text)
    assert read_dataset(root).frame["label"][1] == label


@pytest.mark.parametrize("text", ["8.0", "", "happy", "1.5", "nan"])
def test_a_broken_label_is_told(root: Path, text: str):
    (root / "Emotion" / "S005" / "001" / "S005_001_00000006_emotion.txt").write_text(text)
    [problem] = read_dataset(root).problems
    assert problem.message == (
        f"skipped broken rows: Emotion/S005/001/S005_001_00000006_emotion.txt: the label is '{text}', not 0 to 7; "
        "correct or remove them"
    )


def test_the_set_in_class_folders_gets_its_persons_when_asked(tmp_path: Path):
    draw = Drawings()
    for name, subject in (("anger", "S010"), ("anger", "S011"), ("happy", "S010")):
        draw.save(tmp_path, "CK+48", name, f"{subject}_004_{len(name):08d}.png")
    assert (read_dataset(tmp_path).format, "group" in read_dataset(tmp_path).frame) == ("folders", False)
    dataset = read_dataset(tmp_path, format="ckplus")
    assert dataset.classes == ("anger", "happy")
    assert dataset.frame["group"].tolist() == ["S010", "S011", "S010"]
    assert dataset.summary == "3 images in 2 classes, without splits; 2 people"


def test_other_names_are_refused(tmp_path: Path):
    Drawings().save(tmp_path, "anger", "face.png")
    with pytest.raises(DatasetError, match=r"anger/face\.png has no name of CK\+"):
        read_dataset(tmp_path, format="ckplus")
