"""Every later version reads, compares and resumes the runs of fer-tui 0.1.0; see tests/fixtures/README.md."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tarfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data.training_data import load_training_data
from core.evaluation.inference import predict
from core.evaluation.metrics import evaluate
from core.jobs.run_queue import RunQueue
from core.jobs.search import Search, study_file
from core.jobs.search_space import Categorical, Range
from core.runs.checkpoint import find_checkpoint
from core.runs.model_file import load_model
from core.runs.predictions import parse_evaluation, read_predictions
from core.runs.reader import find_run, list_runs, read_run
from core.runs.resume import load_config, requeue, resume_caveat
from fer_tui.cli import main
from fer_tui.settings_file import load_settings
from fer_tui.user_settings import UserSettings

FIXTURES = Path(__file__).parents[2] / "fixtures" / "0.1.0"
# The folder of the data and the runs when they were written. The files contain this path.
DATA = "/data"
FACES = ["happy", "sad", "surprise"]
FLAT = ["fear", "happy", "neutral"]
CONSTANT = ["class_share", "constant_answer", "not_above_majority"]
# The columns of the history that depend on the speed of the machine.
TIMES = ("seconds", "images_per_second")


@dataclass(frozen=True)
class Old:
    """The expected content of a run of 0.1.0. The classes of `matrix`, its confusion matrix, are sorted by name."""

    name: str
    state: str = "completed"
    epochs: int = 5
    wanted: int = 5
    kept: int = 5
    classes: Sequence[str] = tuple(FACES)
    warnings: Sequence[str] = ()
    message: str = ""
    problems: Sequence[str] = ()
    matrix: Sequence[Sequence[int]] | None = None


ALWAYS_FIRST = [[2, 0, 0], [2, 0, 0], [2, 0, 0]]
OLD: Mapping[str, Old] = {
    "faces": Old("20261127-000328-659-model2-28a3", kept=4, matrix=[[2, 0, 0], [0, 2, 0], [0, 2, 0]]),
    "noise": Old(
        "20261127-000343-499-model2-3285", kept=4, warnings=CONSTANT, matrix=[[0, 2, 0], [0, 2, 0], [0, 2, 0]]
    ),
    "csv": Old(
        "20261127-000405-236-model2-00bb",
        epochs=4,
        wanted=4,
        kept=3,
        classes=["angry", "neutral", "happy"],
        warnings=CONSTANT,
        matrix=[[2, 0, 0], [2, 0, 0], [1, 0, 0]],
    ),
    "held out": Old(
        "20261127-000425-397-mini_xception-c714",
        epochs=3,
        wanted=3,
        kept=1,
        classes=FLAT,
        warnings=CONSTANT,
        problems=["held_out"],
        matrix=ALWAYS_FIRST,
    ),
    "averaged": Old(
        "20261127-000451-737-compact-a68c", epochs=3, wanted=3, kept=3, matrix=[[0, 0, 2], [0, 1, 1], [0, 0, 2]]
    ),
    "published": Old(
        "20261127-000514-514-model2-8b17",
        epochs=2,
        wanted=2,
        kept=2,
        classes=["surprise", "sad", "happy"],
        warnings=["encoding_differs", "partial_validation", *CONSTANT],
        matrix=ALWAYS_FIRST,
    ),
    "killed": Old("20261127-000529-031-model2-aa6f", "interrupted", epochs=3, wanted=6, kept=3, message="validating"),
    "stopped": Old(
        "20261127-000540-722-model2-a1b4",
        "stopped",
        epochs=2,
        kept=2,
        classes=FLAT,
        message="stopped after epoch 2",
        problems=["held_out"],
    ),
    "exact": Old("20261127-000558-246-model2-6704", "interrupted", epochs=3, kept=3, message="validating"),
    "undisturbed": Old("20261127-000610-672-model2-ad3d", matrix=[[1, 1, 0], [0, 2, 0], [0, 2, 0]]),
    "trial 0": Old(
        "20261127-000626-075-model2-5436", epochs=2, wanted=2, kept=1, warnings=CONSTANT, matrix=ALWAYS_FIRST
    ),
    "trial 1": Old(
        "20261127-000641-943-model2-d773", epochs=2, wanted=2, kept=2, warnings=CONSTANT, matrix=ALWAYS_FIRST
    ),
}
EVERY = pytest.mark.parametrize("what", OLD)
COMPLETED = pytest.mark.parametrize("what", [what for what, run in OLD.items() if run.state == "completed"])

# The settings on the search's command line.
SEARCH: Mapping[str, Any] = {
    **{"data": Path(DATA, "faces"), "model": "model2", "width": 0.0625, "image_size": 24, "channels": 1},
    **{"normalization": "per_image", "batch_size": 4, "epochs": 2},
}
SPACE = {"learning_rate": Range(3e-3, 3e-2, log=True), "dropout": Categorical((None, 0.2))}
STUDY = "model2-31ec6333"
TRIALS = (
    (0, "completed", 1.1066306829452515, {"learning_rate": 0.00822191487459738, "dropout": 0.2}),
    (1, "completed", 1.10160231590271, {"learning_rate": 0.026668559530020848, "dropout": None}),
)


def copied(folder: Path) -> Path:
    """Copy the fixtures to a folder, replace the stored paths with the folder's, and return the folder."""
    shutil.copytree(FIXTURES, folder)
    with tarfile.open(FIXTURES / "models.tar.xz") as models:
        models.extractall(folder, filter="data")
    for file in (*folder.glob("runs/*/*.json"), folder / "runs.study"):
        file.write_text(file.read_text().replace(f'"{DATA}/', f'"{folder}/'))
    return folder


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared copy of the fixtures, which tests only read."""
    return copied(tmp_path_factory.mktemp("old") / "data")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A copy of the fixtures for one test, which may change it."""
    return copied(tmp_path / "data")


def run_of(folder: Path, what: str) -> Path:
    return folder / "runs" / OLD[what].name


def rows_of(run: Path) -> list[dict[str, float]]:
    """Parse a history.csv independently of `read_history`."""
    with (run / "history.csv").open(newline="") as file:
        return [{name: float(cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def test_the_files_name_nothing_but_the_neutral_place():
    texts = [file for file in FIXTURES.rglob("*") if file.suffix in (".json", ".txt", ".study") or file.name == "lock"]
    assert len(texts) > 80
    for file in texts:
        text = file.read_text()
        assert not re.search(r"/(home|root|tmp|work|usr|opt)\b", text), file
        assert set(re.findall(r'"host": ?"([^"]*)"', text)) <= {"gpu-box"}, file


def test_every_run_is_found(old: Path):
    assert [path.name for path in list_runs(old / "runs")] == sorted((run.name for run in OLD.values()), reverse=True)
    for run in OLD.values():
        assert find_run(run.name[:19], old / "runs").name == run.name
    assert find_run("latest", old / "runs").name == OLD["trial 1"].name


@EVERY
def test_a_run_is_read_as_it_was(old: Path, what: str):
    wanted, run = OLD[what], read_run(run_of(old, what))
    assert (run.state, run.message) == (wanted.state, wanted.message)
    assert (len(run.history), run.config["epochs"]) == (wanted.epochs, wanted.wanted)
    rows = rows_of(run.path)
    assert [{name: row[name] for name in rows[0]} for row in run.history] == rows
    assert (run.kept_epoch() or {})["epoch"] == wanted.kept
    assert run.environment["classes"] == list(wanted.classes)
    assert [warning["code"] for warning in run.warnings] == list(wanted.warnings)
    assert all(warning["message"] for warning in run.warnings)
    assert [problem["kind"] for problem in run.environment["problems"]] == list(wanted.problems)
    assert (run.environment["versions"]["fer-tui"], run.environment["host"]) == ("0.1.0", "gpu-box")


@EVERY
def test_a_runs_settings_are_known(old: Path, what: str):
    path = run_of(old, what)
    stored = json.loads((path / "config.json").read_text())
    config = load_config(path).model_dump(mode="json")
    # A later version may have additional settings. Version 0.1.0 kept images in host memory and did not use XLA.
    assert {name: config[name] for name in stored} == stored | {"jit_compile": "off"}
    assert config["feed"] == "host"


@EVERY
def test_a_runs_checkpoint_is_whole(old: Path, what: str):
    run = run_of(old, what)
    found = find_checkpoint(run)
    assert found is not None and not found.is_older
    assert (found.state.epoch, found.kept) == (OLD[what].epochs, run / "checkpoint" / "best.keras")
    stored = json.loads((run / "checkpoint" / "state.json").read_text())
    del stored["sha256"]
    read = asdict(found.state)
    assert {name: read.get(name) for name in stored} == stored
    shutil.copytree(run, moved := old.parent / f"previous {what}")
    shutil.rmtree(moved / "checkpoint")
    before = find_checkpoint(moved)
    assert before is not None and before.is_older
    assert before.state.epoch == OLD[what].epochs - 1


def test_the_runs_compare_as_they_did(old: Path, capfd: pytest.CaptureFixture[str]):
    assert main(["compare", "--runs", str(old / "runs"), "--format", "csv"]) == 0
    now = csv.DictReader(capfd.readouterr().out.splitlines())
    before = list(csv.DictReader((FIXTURES / "comparison.csv").read_text().splitlines()))
    # A later version may have additional columns.
    assert [{name: row[name] for name in before[0]} for row in now] == before
    assert {row["run"] for row in before} >= {run.name for run in OLD.values()}


def test_the_runs_are_listed(old: Path, capfd: pytest.CaptureFixture[str]):
    assert main(["runs", "--runs", str(old / "runs"), "--json"]) == 0
    told = {run["run"]: (run["state"], run["epoch"], run["epochs"]) for run in json.loads(capfd.readouterr().out)}
    assert told == {run.name: (run.state, run.epochs, run.wanted) for run in OLD.values()}


def test_runs_are_tested_against_each_other(old: Path, capfd: pytest.CaptureFixture[str]):
    names = [OLD[what].name for what in ("faces", "averaged")]
    assert main(["compare", "--runs", str(old / "runs"), "--format", "json", "--test", *names]) == 0
    assert json.loads(capfd.readouterr().out)["runs"] == names


@COMPLETED
def test_predictions_and_evaluation_are_read(old: Path, what: str):
    run = read_run(run_of(old, what))
    said, evaluation = read_predictions(run.path), parse_evaluation(run.evaluation)
    assert evaluation is not None and run.evaluation is not None
    assert [list(row) for row in evaluation.matrix] == OLD[what].matrix
    assert list(evaluation.classes) == sorted(OLD[what].classes)
    assert len(said) == sum(map(sum, evaluation.matrix)) == run.environment["validation_images"]
    assert sum(each.is_correct for each in said) / len(said) == run.evaluation["accuracy"]
    assert [row.support for row in evaluation.per_class] == [sum(row) for row in evaluation.matrix]
    assert run.evaluation["epoch"] == OLD[what].kept


@COMPLETED
def test_a_runs_model_says_what_it_said(old: Path, what: str):
    """The data, the held-out part, the order of the classes and the predictions are the same as in 0.1.0."""
    run = read_run(run_of(old, what))
    config = load_config(run.path)
    data = load_training_data(config, threading.Event())
    assert data is not None and run.evaluation is not None
    assert (data.fingerprint, data.classes) == (run.environment["fingerprint"], run.environment["classes"])
    assert data.validation_classes == run.environment["validation_classes"]
    said, rows = read_predictions(run.path), data.validation.frame
    assert [(each.path, each.label) for each in said] == list(zip(rows["path"], rows["label"], strict=True))
    shares = predict(load_model(run.path), data.validation.values, flip_average=config.flip_average)
    stored = [[each.probabilities[name] for name in data.classes] for each in said]
    np.testing.assert_allclose(shares, stored, atol=1e-3)
    again = evaluate([each.label for each in said], shares, data.classes)
    for figure in ("accuracy", "balanced_accuracy", "macro_f1", "confusion_matrix", "per_class"):
        assert again[figure] == run.evaluation[figure]
    assert again["loss"] == pytest.approx(run.evaluation["loss"], abs=1e-3)


@pytest.mark.parametrize(
    ("what", "data", "split", "images"),
    [("faces", "faces", "validation", 6), ("csv", "fer2013.csv", "test", 3), ("held out", "flat", "all", 18)],
)
def test_a_run_is_evaluated(
    old: Path, what: str, data: str, split: str, images: int, capfd: pytest.CaptureFixture[str]
):
    words = ["evaluate", OLD[what].name, "--runs", str(old / "runs"), "--data", str(old / data), "--split", split]
    assert main([*words, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["split"], told["images"], told["skipped"]) == (split, images, 0)
    if split == "validation":
        assert told["accuracy"] == (read_run(run_of(old, what)).evaluation or {})["accuracy"]


def went_on(run: Path, old: Old, epochs: int) -> None:
    """Check that a run was resumed after its last epoch and completed with the given number of epochs."""
    done, before = read_run(run), rows_of(FIXTURES / "runs" / run.name)
    assert (done.state, len(done.history)) == ("completed", epochs)
    rows = [{name: row[name] for name in before[0]} for row in rows_of(run)]
    assert rows[: old.epochs] == before
    assert [row["epoch"] for row in rows] == [*range(1, epochs + 1)]
    assert all(np.isfinite(cell) for row in rows for cell in row.values())
    assert f"resuming after epoch {old.epochs}" in (run / "log.txt").read_text()
    assert done.evaluation is not None
    assert done.evaluation["epoch"] == (done.kept_epoch() or {})["epoch"]
    assert [path.name for path in run.iterdir() if path.name.startswith((".", "lock"))] == []
    found = find_checkpoint(run)
    assert found is not None and found.state.epoch == epochs
    assert (run / "best.keras").read_bytes() == (run / "checkpoint" / "best.keras").read_bytes()


@pytest.mark.parametrize(
    ("what", "words", "epochs"),
    [("killed", (), 6), ("stopped", (), 5), ("faces", ("--epochs", "6"), 6)],
)
def test_a_run_goes_on(own: Path, what: str, words: Sequence[str], epochs: int, monkeypatch: pytest.MonkeyPatch):
    # By default, the lock watches a silent owner on another host for six seconds.
    monkeypatch.setattr("core.runs.lock.WATCH", 0.3)
    run = run_of(own, what)
    assert main(["resume", run.name, "--runs", str(own / "runs"), *words]) == 0
    went_on(run, OLD[what], epochs)


def test_a_run_whose_folder_has_files_that_are_read_now_is_not_resumed(own: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.runs.lock.WATCH", 0.3)
    run = run_of(own, "killed")
    folder = load_config(run).data
    happy = next(path for path in (own / folder).rglob("*/happy") if path.is_dir())
    Image.open(next(happy.iterdir())).save(happy / "new.webp")
    main(["resume", run.name, "--runs", str(own / "runs"), "--epochs", "6"])
    assert "this version also reads 1 image that version 0.1.0 left out, such as" in (run / "log.txt").read_text()
    assert "new.webp; move them elsewhere, or start a new run with 'fer-tui train'" in (run / "log.txt").read_text()


def test_a_deterministic_run_goes_on_as_if_it_had_never_ended(own: Path):
    run = run_of(own, "exact")
    # Without the lock, the test does not watch an owner on another host for six seconds.
    (run / "lock").unlink()
    requeue(run)
    assert resume_caveat(run) == ""
    # Determinism is a setting of the whole process, so the run needs its own process.
    RunQueue([run], in_children=True).work()
    went_on(run, OLD["exact"], 5)
    rows, whole = rows_of(run), rows_of(run_of(FIXTURES, "undisturbed"))
    for row, other in zip(rows, whole, strict=True):
        figures = [{name: cell for name, cell in each.items() if name not in TIMES} for each in (row, other)]
        if row["epoch"] <= OLD["exact"].epochs:
            assert figures[0] == figures[1]
        else:
            # Another processor rounds differently; the measured difference was 1e-7.
            np.testing.assert_allclose(*([each[name] for name in ("loss", "val_loss")] for each in figures), rtol=1e-3)


def test_a_study_is_known_by_its_settings(tmp_path: Path):
    file = shutil.copy(FIXTURES / "runs.study", tmp_path)
    search = Search(SEARCH, SPACE, tmp_path / "runs", Path(file))
    assert search.name == STUDY
    found = search.results()
    assert [(trial.number, trial.state, trial.value, dict(trial.parameters)) for trial in found] == [*TRIALS]
    assert [trial.run for trial in found] == [Path(DATA, "runs", OLD[what].name) for what in ("trial 0", "trial 1")]
    assert search.best() == found[1]
    for trial in found:
        stored = json.loads((FIXTURES / "runs" / Path(str(trial.run)).name / "config.json").read_text())
        config = search.config(trial.parameters).model_dump(mode="json")
        assert {name: config[name] for name in stored} == stored | {"jit_compile": "auto"}


def test_a_study_takes_another_trial(own: Path, capfd: pytest.CaptureFixture[str]):
    # The study's name depends on the path of the data.
    moved = Search({**SEARCH, "data": own / "faces"}, SPACE, own / "runs", own / "other.study").name
    file = study_file(own / "runs")
    file.write_text(file.read_text().replace(STUDY, moved))
    flags = [word for name, value in SEARCH.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    flags[1] = str(own / "faces")
    space = ("--space", "learning_rate=3e-3..3e-2:log", "--space", "dropout=none,0.2")
    assert main(["search", "--runs", str(own / "runs"), *flags, *space, "--trials", "3", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    *before, new = [(each["number"], each["state"], each["value"], each["settings"]) for each in told["trials"]]
    assert told["study"] == moved
    assert before == [*TRIALS]
    assert new[:2] == (2, "completed")
    assert told["best"]["value"] == min(each["value"] for each in told["trials"])
    run = read_run(own / "runs" / told["trials"][2]["run"])
    assert (run.state, (run.kept_epoch() or {})["val_loss"]) == ("completed", new[2])


def test_the_settings_of_a_user_are_read(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setenv("FER_TUI_CONFIG", str(FIXTURES / "config.toml"))
    settings = load_settings()
    assert settings == UserSettings(
        theme="fer-okabe-ito",
        mouse=False,
        runs=Path(DATA, "runs"),
        data=Path(DATA, "faces"),
        keys={"runs.stop": "ctrl+s", "app.quit": "Q,f10", "compare.export": "w"},
        train={
            **{"model": ["compact", "model2"], "epochs": 60, "batch_size": 128},
            **{"patience": "none", "time_budget": "1h30m"},
        },
        presets={
            "quick": {"epochs": 3, "limit": 2000},
            "two cores": {"width": 0.5, "augmentation": "extended", "ema": 0.999},
        },
    )
    assert main(["settings", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["settings"]["keys"] == settings.keys
