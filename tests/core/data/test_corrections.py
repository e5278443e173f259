from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.training_config import resolve
from core.data.corrections import (
    EXCLUDE,
    KEEP,
    RELABEL,
    ReviewDecision,
    apply_decisions,
    decisions_to_csv,
    read_decisions,
    read_exclusions,
    read_relabels,
)
from core.data.dataset import Dataset
from core.data.readers.reader_factory import read_dataset
from core.data.splits import read_training_dataset
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


NAMES = st.binary(min_size=1, max_size=8).filter(lambda name: 0 not in name).map(os.fsdecode)


@given(st.dictionaries(NAMES, st.tuples(NAMES, st.sampled_from((EXCLUDE, RELABEL, KEEP)), NAMES), max_size=5))
def test_decisions_are_read_as_they_were_written(decided: dict[str, tuple[str, str, str]]):
    decisions = [ReviewDecision(path, *others) for path, others in decided.items()]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "decisions.csv"
        file.write_bytes(decisions_to_csv(decisions))
        assert list(read_decisions(file).values()) == decisions
        assert list(read_exclusions(file)) == [each.path for each in decisions if each.decision == EXCLUDE]
        relabels = {each.path: each.new_label for each in decisions if each.decision == RELABEL}
        assert read_relabels(file) == relabels


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
        "1 image left out by decisions.csv",
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


FIRST, SECOND, THIRD = (each.path for each in DECISIONS)


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeffpath,label,decision,new_label\r\n{FIRST},happy,exclude,\r\n{SECOND},sad,relabel,angry\r\n".encode(),
        f"path, label, decision, new_label\n{FIRST}, happy, exclude,\n{SECOND} ,sad, relabel , angry\n".encode(),
        f"path;label;decision;new_label\n{FIRST};happy;exclude;\n{SECOND};sad;relabel;angry\n{THIRD};fear;keep;\n".encode(),
        f"path\tdecision\tnew_label\n{FIRST}\texclude\t\n{SECOND}\trelabel\tangry\n".encode("utf-16"),
        f"sep=;\r\nPath;Decision;New Label\r\n{FIRST};EXCLUDE;\r\n;;\r\n{SECOND};Relabel;Angry\r\n".encode(),
        f'"path", "decision", "new_label"\n"{FIRST}", "exclude", ""\n\n"{SECOND}", "relabel", "angry"\n'.encode(),
        f"path,decision,new_label\n{FIRST}, exclude,\n ./{SECOND} ,relabel, angry\n{THIRD},keep,\n".encode(),
        f"path,decision,new_label,,\n{FIRST.replace('/', chr(92))},exclude,,,\n{SECOND},relabel,angry,,\n".encode(),
        f"\npath,decision,new_label\r{FIRST},exclude,\r{SECOND},relabel,angry\r{THIRD},,\r".encode(),
    ],
    ids=[
        "mark",
        "blanks",
        "semicolons",
        "tabs",
        "capitals",
        "quotes",
        "blanks in rows",
        "backslashes",
        "old line ends",
    ],
)
def test_a_file_that_people_edited_is_read_as_they_meant_it(dataset: Dataset, tmp_path: Path, content: bytes):
    file = tmp_path / "decisions.csv"
    file.write_bytes(content)
    found = apply_decisions(dataset, file, file)
    assert len(found.frame) == len(dataset.frame) - 1
    assert [label_of(found, path) for path in (FIRST, SECOND, THIRD)] == [[], ["angry"], ["fear"]]


def test_a_workbook_is_named(dataset: Dataset, tmp_path: Path):
    file = tmp_path / "decisions.xlsx"
    file.write_bytes(b"PK\x03\x04 ...")
    with pytest.raises(ConfigError, match=r"the file is a workbook or an archive, not a CSV file; save it as CSV"):
        apply_decisions(dataset, file, None)


@pytest.mark.parametrize(
    ("content", "flag", "said"),
    [
        (None, "exclude", "No such file or directory; give a CSV with a column 'path'"),
        ("file,why\nx.png,y\n", "exclude", "has no column 'path'"),
        ("path\nx.png\n", "relabel", "has no column 'new_label'; needs path, new_label"),
        ("path,new_label\nx.png\n", "relabel", "line 2: the number of cells differs from the header"),
        ("path,new_label\nx.png,\n", "relabel", "line 2 has no new label"),
        ("path,new_label\ntrain/happy/0001.png,bored\n", "relabel", "'bored' is not a class of "),
        ("path\nelsewhere.png\n", "exclude", "none of its 1 images are in "),
        ('path\n"x.png\n', "exclude", "line 2: unexpected end of data; check the quotes in this line"),
        ("path,decision\nx.png,keep\ny.png,drop\n", "exclude", "line 3: unknown decision 'drop'; choose from exclude"),
        ("path,decision\nx.png,exclud\n", "exclude", "line 2: unknown decision 'exclud'; did you mean 'exclude'?"),
        ("path,decison\nx.png,keep\n", "exclude", "unknown column 'decison'; did you mean 'decision'?"),
        ("path,verdict\nx.png,Keep\n", "exclude", "line 2: 'Keep' looks like a decision, but its column is called"),
        (
            "path,Keep\nx.png,yes\ny.png,no\n",
            "exclude",
            "the column 'Keep' is a decision; write decisions into a column",
        ),
        ("path,exclude\nx.png,no\n", "exclude", "the column 'exclude' is a decision"),
        ("path,Path\nx.png,y.png\n", "exclude", "the file has the column 'path' twice"),
        (
            "path,decision\nx.png,keep\n\nx.png,exclude\n",
            "exclude",
            "lines 2 and 4 have different decisions for x.png; keep one",
        ),
        ("path;decision\na;b.png;keep\n", "exclude", "line 2: the number of cells differs from the header (3, not 2)"),
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
