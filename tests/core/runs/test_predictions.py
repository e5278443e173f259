from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError, RunError
from core.evaluation.metrics import evaluate
from core.runs.predictions import (
    ClassReportRow,
    Prediction,
    macro_average,
    matching_dataset,
    most_confused_pair,
    most_telling_predictions,
    parse_evaluation,
    predictions_table,
    read_predictions,
    row_normalized,
)
from core.runs.reader import read_run
from core.runs.run_dataset import has_changed, read_run_dataset
from core.runs.schema import EvaluationFile, valid_fields

# What folders and files may be called: any bytes but NUL and the slash.
NAMES = st.binary(min_size=1, max_size=8).filter(lambda name: not set(name) & {0, 47}).map(os.fsdecode)
HOSTILE = ("[red]x", "a,b", 'quo"te', "line\nbreak", "高兴", "back\\slash")


def made(label: str, predicted: str, share: float, path: str = "x.png"):
    return Prediction(path, label, predicted, share)


@given(st.lists(NAMES, min_size=1, max_size=5, unique=True), st.lists(NAMES, max_size=6), st.integers(0, 99))
@example(list(HOSTILE), [f"{name}/\udcff.png" for name in HOSTILE], 0)
def test_predictions_are_read_as_they_were_written(classes: list[str], paths: list[str], seed: int):
    drawn = np.random.default_rng(seed)
    probabilities = drawn.dirichlet(np.ones(len(classes)), len(paths))
    labels = [classes[place] for place in drawn.integers(len(classes), size=len(paths))]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "predictions.csv").write_bytes(predictions_table(paths, labels, probabilities, classes))
        read = read_predictions(Path(folder))
    assert [each.path for each in read] == paths
    assert [each.label for each in read] == labels
    assert [each.predicted for each in read] == [classes[place] for place in probabilities.argmax(axis=1)]
    for each, row in zip(read, probabilities, strict=True):
        assert each.confidence == pytest.approx(row.max(), abs=1e-6)
        assert list(each.probabilities) == sorted(classes)
        assert [each.probabilities[name] for name in classes] == pytest.approx(row.tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"path,label,predicted,p_a\nx.png,a,a,1\ny.png,a,a\n", "line 3 is damaged"),
        (b"path,label,predicted,p_a\nx.png,a,a,many\n", "line 2 is damaged"),
        (b"path,label,predicted,p_a\nx.png,a,b,1\n", "line 2 is damaged"),
        (b"path,label\nx.png,a\n", "line 2 is damaged"),
        (b"path,label,predicted,p_a\nx.png,a,a,1,2\n", "line 2 is damaged"),
        (b'path,label,predicted,p_a\n"x.png,a,a,1\n', "is damaged"),
        (None, "is missing"),
    ],
)
def test_damaged_predictions_are_one_line(tmp_path: Path, content: bytes | None, said: str):
    if content is not None:
        (tmp_path / "predictions.csv").write_bytes(content)
    with pytest.raises(RunError, match=said) as raised:
        read_predictions(tmp_path)
    assert "predictions.csv" in str(raised.value) and "\n" not in str(raised.value)


def test_mistakes_come_surest_first_and_right_answers_least_sure_first():
    all_of_them = [
        made("a", "b", 0.6),
        made("a", "a", 0.9),
        made("b", "a", 0.8),
        made("a", "b", 0.7),
        made("a", "a", 0.4),
    ]
    assert [each.confidence for each in most_telling_predictions(all_of_them, None)] == [0.8, 0.7, 0.6]
    assert [each.confidence for each in most_telling_predictions(all_of_them, ("a", "b"))] == [0.7, 0.6]
    assert [each.confidence for each in most_telling_predictions(all_of_them, ("a", "a"))] == [0.4, 0.9]
    assert most_telling_predictions(all_of_them, ("b", "b")) == []


def test_shares_are_of_the_row():
    assert row_normalized(((1, 3), (0, 0))) == ((0.25, 0.75), (0, 0))


def test_the_commonest_mistake_is_beside_the_diagonal():
    assert most_confused_pair(((9, 1, 2), (2, 9, 0), (0, 0, 9))) == (0, 2)
    assert most_confused_pair(((9, 0), (0, 9))) == (0, 0)


def test_an_evaluation_is_read_as_it_was_made():
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    read = parse_evaluation({**evaluate(["a", "b", "b"], shares, ["a", "b"])})
    assert read is not None and read.classes == ("a", "b") and read.matrix == ((1, 0), (1, 1))
    assert [(each.name, each.precision, each.recall, each.support) for each in read.per_class] == [
        ("a", 0.5, 1.0, 1),
        ("b", 1.0, 0.5, 2),
    ]


@pytest.mark.parametrize("damage", [{"classes": ["a"]}, {"confusion_matrix": [[1]]}, {"per_class": []}, {"classes": 3}])
def test_a_damaged_evaluation_is_none(damage: dict[str, object]):
    whole = evaluate(["a", "b"], np.eye(2), ["a", "b"])
    assert parse_evaluation({**whole})
    assert parse_evaluation(valid_fields(whole | damage, EvaluationFile)) is None
    assert parse_evaluation(None) is None


def test_images_that_went_or_changed_class_are_left_out(write_tree: Callable[..., Path], tmp_path: Path):
    dataset = read_dataset(write_tree(tmp_path, {"train/a": 2, "train/b": 2}))
    there, moved, gone = (made("a", "b", 0.9, path) for path in ("train/a/000.png", "train/b/000.png", "train/a/9.png"))
    assert matching_dataset([there, moved, gone], dataset) == [there]


def test_a_changed_data_set_is_known_by_its_fingerprint(
    write_tree: Callable[..., Path], write_run: Callable[..., Path], tmp_path: Path
):
    from core.data.dataset import fingerprint
    from core.data.splits import with_validation_split

    root = write_tree(tmp_path / "set", {"train/a": 20, "train/b": 20})
    was = fingerprint(with_validation_split(read_dataset(root), 0.2))
    path = write_run(config={"validation_share": 0.2}, environment={"data": str(root), "fingerprint": was})
    run, read = read_run(path), []
    assert has_changed(run, read_run_dataset(run), lambda: read.append(1)) is False and len(read) == 40
    (root / "train/a/000.png").write_bytes((root / "train/b/000.png").read_bytes())
    assert has_changed(run, read_run_dataset(run), lambda: None) is True

    class EndedError(Exception):
        pass

    def end():
        raise EndedError

    with pytest.raises(EndedError):
        has_changed(run, read_run_dataset(run), end)


def test_a_data_set_is_found_as_the_run_divided_and_corrected_it(
    write_tree: Callable[..., Path], write_run: Callable[..., Path], tmp_path: Path
):
    from core.config.training_config import resolve
    from core.data.dataset import fingerprint
    from core.data.splits import read_training_dataset

    root = write_tree(tmp_path / "set", {"train/a": 20, "train/b": 20})
    (tmp_path / "decisions.csv").write_text("path,decision\ntrain/a/000.png,exclude\n")
    config = resolve({"data": root, "model": "compact", "exclude": tmp_path / "decisions.csv", "fold": "2/4"})
    was = fingerprint(read_training_dataset(config))
    run = read_run(
        write_run(config=config.model_dump(mode="json"), environment={"data": str(root), "fingerprint": was})
    )
    found = read_run_dataset(run)
    assert "train/a/000.png" not in set(found.frame["path"]) and len(found.frame) == 39
    assert has_changed(run, found, lambda: None) is False


def test_a_data_set_that_is_gone_or_was_never_named_is_one_line(write_run: Callable[..., Path], tmp_path: Path):
    with pytest.raises(DatasetError, match=r"faces can't be shown: .*no such folder"):
        read_run_dataset(read_run(write_run(environment={"data": str(tmp_path / "none")})))
    with pytest.raises(RunError, match=r"environment\.json: the file names no data set"):
        read_run_dataset(read_run(write_run("20260102-030405-006-compact-ffff")))


def test_means_are_over_the_classes_that_have_images():
    figures = [
        ClassReportRow("a", 1.0, 0.5, 0.6, 30),
        ClassReportRow("b", 0.5, 0.7, 0.4, 10),
        ClassReportRow("c", 0, 0, 0, 0),
    ]
    mean = macro_average(figures, "mean")
    assert (mean.name, mean.precision, mean.recall, mean.f1, mean.support) == ("mean", 0.75, 0.6, 0.5, 40)
    assert macro_average([], "mean") == ClassReportRow("mean", 0, 0, 0, 0)
