"""`fer-tui data fix` and `data check` on data sets in other formats than folders."""

from __future__ import annotations

import shutil
from pathlib import Path

from data_formats import Drawings, kdef, rafdb
from installed import assert_refused, fer


def test_data_fix(faces: Path, tmp_path: Path):
    root = tmp_path / "faces"
    shutil.copytree(faces, root)
    (root / "train" / "happy" / "broken.png").touch()
    answer = fer("data", "fix", root, tmp_path / "clean")
    assert (answer.status, answer.out) == (0, "")
    assert answer.err.splitlines() == [
        f"wrote 70 of 71 images to {tmp_path / 'clean'}",
        f"left out: undecodable 1; {tmp_path / 'clean' / 'left_out.csv'} lists them",
    ]
    assert fer("data", "check", tmp_path / "clean", "--json").json()["problems"] == []
    assert_refused(fer("data", "fix", root, tmp_path / "clean"), 1, "clean", "not empty", "name a new")


def test_data_fix_json(tmp_path: Path):
    root = kdef(tmp_path / "KDEF", Drawings())
    answer = fer("data", "fix", root, tmp_path / "clean.csv", "--json", "--classes", "fear=")
    assert answer.json() == {
        "output": str(tmp_path / "clean.csv"),
        "images": 8,
        "left_out": {},
        "list": str(tmp_path / "clean-left_out.csv"),
        "format": "kdef",
    }
    told = fer("data", "check", tmp_path / "clean.csv", "--json").json()
    assert (told["format"], told["counts"]) == ("manifest", {"all": {"angry": 4, "happy": 4}})


def test_a_folder_without_room_for_persons_says_so(tmp_path: Path):
    answer = fer("data", "fix", kdef(tmp_path / "KDEF", Drawings()), tmp_path / "clean")
    assert answer.err.splitlines()[-1] == "folders can't have the column group; a manifest (.csv) keeps them"


def test_data_check_says_what_was_read(tmp_path: Path):
    answer = fer("data", "check", rafdb(tmp_path / "raf", Drawings()))
    assert "aligned images by list_patition_label.txt: 4 images in 2 classes, train and test" in answer.out
