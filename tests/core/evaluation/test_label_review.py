from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.config.training_config import resolve
from core.data.corrections import read_exclusions
from core.errors import RunError
from core.evaluation.label_review import find_label_issues, fold_configs, k_fold_run_paths, newest_run_per_config
from core.runs.predictions import predictions_table
from core.runs.reader import read_run
from core.runs.writer import create_run
from fer_tui import cli

CLASSES = ["sad", "happy", "angry"]


def predict(run: Path, *shares: tuple[str, str, float, float, float]) -> Path:
    """Write a run's predictions: path, label, and the probabilities of sad, happy and angry."""
    paths, labels = [each[0] for each in shares], [each[1] for each in shares]
    (run / "predictions.csv").write_bytes(
        predictions_table(paths, labels, np.array([each[2:] for each in shares]), CLASSES)
    )
    return run


@pytest.fixture
def judged(write_run: Callable[..., Path]) -> Path:
    return predict(
        write_run(),
        ("sure.png", "happy", 0.1, 0.8, 0.1),
        ("wrong.png", "sad", 0.02, 0.9, 0.08),
        ("unsure.png", "angry", 0.3, 0.3, 0.4),
    )


def test_the_label_that_fits_least_comes_first(judged: Path):
    found = find_label_issues([judged])
    assert [(each.path, each.label, each.suggested) for each in found] == [
        ("wrong.png", "sad", "happy"),
        ("unsure.png", "angry", "angry"),
        ("sure.png", "happy", "happy"),
    ]
    # The quality is the predicted probability of the label.
    assert [each.quality for each in found] == pytest.approx([0.02, 0.4, 0.8])


def test_several_runs_are_one_list(judged: Path, write_run: Callable[..., Path]):
    other = predict(write_run("20260102-compact-bbbb"), ("other.png", "angry", 0.6, 0.3, 0.1))
    assert [each.path for each in find_label_issues([judged, other])] == [
        "wrong.png",
        "other.png",
        "unsure.png",
        "sure.png",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing; 'fer-tui resume' evaluates the run"),
        ("", "is damaged"),
        ("path,label,predicted,p_happy\n", "is damaged"),
        ("path,label,predicted,p_happy\nx.png,sad,happy,1.0\n", "is damaged"),
        ("path,label,predicted,p_happy\nx.png,happy,happy,nan\n", "is damaged"),
        ("path,label,predicted,p_happy,p_sad\nx.png,happy,happy,0,0\n", "is damaged"),
        ("path,label,predicted,p_happy,p_sad\nx.png,happy,happy,0.5\n", "is damaged"),
    ],
)
def test_predictions_that_cannot_be_used(write_run: Callable[..., Path], content: str | None, said: str):
    run = write_run()
    if content is not None:
        (run / "predictions.csv").write_text(content)
    with pytest.raises(RunError, match=r"predictions\.csv: ") as error:
        find_label_issues([run])
    assert said in str(error.value)


def test_every_part_has_the_runs_own_settings(faces: Path, tmp_path: Path):
    config = resolve({"data": faces, "model": "compact", "epochs": 7, "seed": 3})
    parts = fold_configs(config, 3)
    assert [part.fold for part in parts] == ["1/3", "2/3", "3/3"]
    assert all(part.model_copy(update={"fold": None}) == config for part in parts)
    run = create_run(parts[1], tmp_path / "runs")
    found = newest_run_per_config(parts, tmp_path / "runs")
    assert [each.path if each else None for each in found] == [None, run, None]


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """Runs of three folds: one completed, one completed with a newer stopped run, one stopped."""
    config = resolve({"data": tmp_path, "model": "compact"})
    first, second, third = fold_configs(config, 3)
    made = [create_run(each, tmp_path / "runs") for each in (first, second, second, third)]
    for run, state in zip(made, ("completed", "completed", "stopped", "stopped"), strict=True):
        (run / "status.json").write_text(f'{{"state": "{state}"}}')
    return made


def test_a_completed_run_comes_before_a_newer_one(parts: list[Path], tmp_path: Path):
    configs = fold_configs(resolve({"data": tmp_path, "model": "compact"}), 3)
    found = newest_run_per_config(configs, tmp_path / "runs")
    assert [each.path if each else None for each in found] == [parts[0], parts[1], parts[3]]


def test_a_part_is_reviewed_with_the_others_that_are_done(parts: list[Path], tmp_path: Path):
    folder = tmp_path / "runs"
    assert k_fold_run_paths(read_run(parts[0]), folder) == [parts[0], parts[1]]
    assert k_fold_run_paths(read_run(parts[3]), folder) == [parts[3], parts[0], parts[1]]
    whole = create_run(resolve({"data": tmp_path, "model": "compact"}), folder)
    assert k_fold_run_paths(read_run(whole), folder) == [whole]


def review(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    status = cli.main(["review", *map(str, arguments)])
    return status, capsys.readouterr().out


def test_the_command_writes_decisions_that_exclude_takes(
    judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "decisions.csv"
    assert review(capsys, judged, "--first", "2", "--output", file) == (0, "")
    assert list(read_exclusions(file)) == ["wrong.png", "unsure.png"]
    with file.open() as rows:
        assert [row["new_label"] for row in csv.DictReader(rows)] == ["happy", "angry"]
    status, shown = review(capsys, judged, "--first", "1")
    assert status == 0 and "wrong.png" in shown and "unsure.png" not in shown


@pytest.mark.parametrize("name", ["decisions.xlsx", "decisions.json"])
def test_decisions_are_csv_whatever_the_ending_says(
    judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
):
    assert review(capsys, judged, "--output", tmp_path / name) == (2, "")
    assert not (tmp_path / name).exists()


def test_parts_that_are_trained_already_are_not_trained_again(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], write_run: Callable[..., Path]
):
    config = resolve({"data": faces, "model": "compact"})
    for number, part in enumerate([config, *fold_configs(config, 2)]):
        run = write_run(f"2026010{number}-compact-aaaa", config=part.model_dump(mode="json"))
        predict(run, (f"{number}.png", "happy", 0.5, 0.4, 0.1))
    folder = tmp_path / "runs"
    status, shown = review(capsys, "20260100", "--folds", "2", "--runs", folder, "--json")
    assert status == 0
    assert "1.png" in shown and "2.png" in shown and "0.png" not in shown
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize(("ended", "status"), [(130, 130), (1, 1), (0, 1)])
def test_a_training_of_parts_that_was_cut_short_is_told(
    faces: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ended: int,
    status: int,
):
    monkeypatch.setattr("fer_tui.commands.train.train_runs", lambda runs, **told: ended)
    run = create_run(resolve({"data": faces, "model": "compact"}), tmp_path / "runs")
    assert review(capsys, run, "--folds", "2", "--runs", tmp_path / "runs") == (status, "")
    assert len(list((tmp_path / "runs").iterdir())) == 3
