from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.config.training_config import resolve
from core.data.corrections import ReviewDecision, apply_decisions, decisions_to_csv, read_exclusions, read_relabels
from core.data.dataset import Dataset, fingerprint
from core.data.readers.reader_factory import read_dataset
from core.data.splits import k_fold_split, read_training_dataset
from core.data.training_data import load_training_data
from core.errors import ConfigError, DatasetError

DECISIONS = [
    ReviewDecision("train/happy/0001.png", "happy", "exclude"),
    ReviewDecision("train/sad/0002.png", "sad", "relabel", "angry"),
    ReviewDecision("validation/fear/0009.png", "fear", "keep"),
]


@pytest.fixture
def dataset(faces: Path) -> Dataset:
    return read_dataset(faces)


@pytest.fixture
def decisions(tmp_path: Path) -> Path:
    (tmp_path / "decisions.csv").write_bytes(decisions_to_csv(DECISIONS))
    return tmp_path / "decisions.csv"


def label_of(dataset: Dataset, path: str) -> list[str]:
    return dataset.frame.loc[dataset.frame["path"] == path, "label"].tolist()


def test_one_file_serves_both_flags(dataset: Dataset, decisions: Path):
    found = apply_decisions(dataset, decisions, decisions)
    assert len(found.frame) == len(dataset.frame) - 1
    assert [label_of(found, each.path) for each in DECISIONS] == [[], ["angry"], ["fear"]]
    assert dataset.frame["path"].isin(["train/happy/0001.png"]).any()
    told = [problem.message for problem in found.problems if problem.kind == "corrected"]
    assert told == [
        "1 image relabelled by decisions.csv",
        "1 image excluded by decisions.csv",
    ]


def test_without_a_decision_every_row_counts(dataset: Dataset, tmp_path: Path):
    (tmp_path / "list.csv").write_text("path,why\ntrain/happy/0001.png,blurred\ntrain/happy/0002.png,twice\n")
    assert len(apply_decisions(dataset, tmp_path / "list.csv", None).frame) == len(dataset.frame) - 2
    (tmp_path / "new.csv").write_text("new_label,path\nsad,train/happy/0001.png\n")
    assert label_of(apply_decisions(dataset, None, tmp_path / "new.csv"), "train/happy/0001.png") == ["sad"]


def test_a_path_that_is_gone_is_told_of(dataset: Dataset, tmp_path: Path):
    (tmp_path / "list.csv").write_text("path\ntrain/happy/0001.png\ntrain/happy/gone.png\n")
    (told,) = [
        p.message for p in apply_decisions(dataset, tmp_path / "list.csv", None).problems if p.kind == "corrected"
    ]
    assert told.endswith("; the data set lacks 1 other path of the file")


def test_names_that_are_not_utf8_survive(tmp_path: Path):
    odd = ReviewDecision(f"train/happy/{os.fsdecode(b'caf' + bytes([233]))}.png", "happy", "exclude")
    (tmp_path / "odd.csv").write_bytes(decisions_to_csv([odd]))
    assert list(read_exclusions(tmp_path / "odd.csv")) == [odd.path]


@pytest.mark.parametrize(
    ("content", "flag", "said"),
    [
        (None, "exclude", "No such file or directory; give a CSV with a column 'path'"),
        ("file,why\nx.png,y\n", "exclude", "has no column 'path'"),
        ("path\nx.png\n", "relabel", "has no column 'new_label'; needs path, new_label"),
        ("path,new_label\nx.png\n", "relabel", "line 2: the number of cells differs from the header"),
        ("path,new_label\nx.png,\n", "relabel", "line 2: has no new label"),
        ("path,new_label\ntrain/happy/0001.png,bored\n", "relabel", "'bored' is not a class of "),
        ("path\nelsewhere.png\n", "exclude", "none of its 1 images are in "),
        ('path\n"x.png\n', "exclude", "line 1: unexpected end of data"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    dataset: Dataset, tmp_path: Path, content: str | None, flag: str, said: str
):
    file = tmp_path / "decisions.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError) as error:
        apply_decisions(dataset, *((file, None) if flag == "exclude" else (None, file)))
    assert str(error.value).startswith(f"{flag}: {file}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_column_that_is_empty_is_no_fault(tmp_path: Path):
    (tmp_path / "none.csv").write_text("path,label,decision,new_label\n")
    assert read_relabels(tmp_path / "none.csv") == {} == read_exclusions(tmp_path / "none.csv")


# Folds


def test_every_training_image_is_in_one_part(dataset: Dataset):
    train = dataset.frame[dataset.frame["split"] == "train"]
    parts = [k_fold_split(dataset, fold, 4).frame for fold in range(1, 5)]
    held_out = [set(part.loc[part["split"] == "validation", "path"]) for part in parts]
    assert set.union(*held_out) == set(train["path"])
    assert sum(map(len, held_out)) == len(train)
    for part in parts:
        assert sorted(part["path"]) == sorted(train["path"])
        assert set(part.loc[part["split"] == "validation", "label"].value_counts()) == {2}


def test_the_parts_are_the_same_at_every_call(dataset: Dataset):
    assert fingerprint(k_fold_split(dataset, 2, 4)) == fingerprint(k_fold_split(dataset, 2, 4))
    assert fingerprint(k_fold_split(dataset, 2, 4)) != fingerprint(k_fold_split(dataset, 1, 4))


@pytest.mark.parametrize("fold", ["0/5", "6/5", "1/1", "1", "a/b", "1/2/3", "1/101", ""])
def test_a_part_that_cannot_be(faces: Path, fold: str):
    if fold == "":
        assert resolve({"data": faces, "model": "compact", "fold": None}).fold is None
        return
    with pytest.raises(ConfigError, match=r"^fold: must be"):
        resolve({"data": faces, "model": "compact", "fold": fold})


# Runs with corrections


def test_a_run_trains_on_what_is_left(faces: Path, decisions: Path):
    plain = resolve({"data": faces, "model": "compact"})
    config = resolve({"data": faces, "model": "compact", "exclude": decisions, "relabel": str(decisions)})
    loaded, whole = load_training_data(config, threading.Event()), load_training_data(plain, threading.Event())
    assert loaded is not None and whole is not None
    assert len(loaded.train.values) == len(whole.train.values) - 1
    assert (loaded.train.frame["label"] == "angry").sum() == (whole.train.frame["label"] == "angry").sum() + 1
    assert loaded.fingerprint != whole.fingerprint
    assert {"corrected"} <= {problem.kind for problem in loaded.dataset.problems}


def test_a_run_validates_on_its_part(faces: Path):
    found = read_training_dataset(resolve({"data": faces, "model": "compact", "fold": "1/4"}))
    assert found.splits == ["train", "validation"] or tuple(found.splits) == ("train", "validation")
    assert len(found.split("validation")) == 14
    assert any("fold 1 of 4" in problem.message for problem in found.problems)


def test_too_few_images_for_a_part(faces: Path, write_tree: Callable[..., Path], tmp_path: Path):
    root = write_tree(tmp_path / "small", {"train/happy": 3})
    with pytest.raises(DatasetError, match="only one class"):
        read_training_dataset(resolve({"data": root, "model": "compact", "fold": "1/3"}))
