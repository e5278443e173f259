"""Interrupted runs resume."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trainings import FAST, StopAfter, history_values, resume_run, train_new_run

from core.config.training_config import TrainingConfig, resolve
from core.errors import RunError
from core.runs.checkpoint import find_checkpoint
from core.runs.reader import read_run
from core.runs.resume import changed_config, load_config
from core.runs.writer import STATUS_INTERVAL, create_run
from core.training.trainer import train_run


def test_a_resumed_run_ends_with_the_same_weights(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    config = settings(epochs=3, augmentation="extended", dropout=0.5)
    whole = train_new_run(config, tmp_path / "whole")
    run = create_run(config, tmp_path / "parts")
    train_run(config, run, StopAfter(run, epochs=1))
    train_run(config, run, threading.Event())
    one, other = (history_values(read_run(path)) for path in (whole.path, run))
    # Threads add in any order, so results are equal up to rounding. Only `deterministic` makes them bit-identical.
    np.testing.assert_allclose(one, other, rtol=0.02)


def test_a_missing_evaluation_is_finished(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    run = train_new_run(settings(epochs=1), tmp_path).path
    (run / "evaluation.json").unlink()
    assert train_run(load_config(run), run, threading.Event()) == "completed"
    snapshot = read_run(run)
    assert len(snapshot.history) == 1
    assert snapshot.evaluation is not None


def test_a_resumed_published_run_goes_on_in_its_streams(
    settings: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    # 56 images in batches of 16: an epoch has 3 of a pass's 4 steps, so that epochs begin at different steps of a pass.
    config = settings(protocol="published", epochs=3, patience=None, batch_size=16)
    whole = train_new_run(config, tmp_path / "whole")
    run = create_run(config, tmp_path / "parts")
    train_run(config, run, StopAfter(run, epochs=1))
    train_run(config, run, threading.Event())
    for name in ("loss", "val_loss"):
        one, other = ([row[name] for row in read_run(path).history] for path in (whole.path, run))
        np.testing.assert_allclose(one, other, rtol=0.02)


@pytest.fixture(scope="module")
def stopped_after_two(faces: Path, tiny_model: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs that was stopped after two."""
    config = resolve({**FAST, "data": faces, "epochs": 3})
    run = create_run(config, tmp_path_factory.mktemp("two"))
    assert train_run(config, run, StopAfter(run, epochs=2)) == "stopped"
    return run


@pytest.fixture
def of_two(stopped_after_two: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return shutil.copytree(stopped_after_two, tmp_path / stopped_after_two.name)


def test_stop_keeps_the_last_epoch_and_resume_goes_on(of_two: Path) -> None:
    snapshot = read_run(of_two)
    assert snapshot.state == "stopped"
    assert len(snapshot.history) == 2
    found = find_checkpoint(of_two)
    assert found is not None
    assert found.state.epoch == 2
    assert train_run(load_config(of_two), of_two, threading.Event()) == "completed"
    assert [row["epoch"] for row in read_run(of_two).history] == [1, 2, 3]


def contents(run: Path) -> dict[str, bytes]:
    """Return the content of the files that must not be lost."""
    names = ("history.csv", "best.keras", "config.json", "environment.json")
    return {name: (run / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def stopped_after_one(faces: Path, tiny_model: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs on data of its own that was stopped after one."""
    folder = tmp_path_factory.mktemp("one")
    config = resolve({**FAST, "data": shutil.copytree(faces, folder / "own"), "epochs": 2})
    run = create_run(config, folder)
    assert train_run(config, run, StopAfter(run, epochs=1)) == "stopped"
    return run


@pytest.fixture
def of_one(stopped_after_one: Path, faces: Path, tmp_path: Path) -> Path:
    """A copy of that run, with its data as they were."""
    data = load_config(stopped_after_one).data
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(faces, data)
    return shutil.copytree(stopped_after_one, tmp_path / stopped_after_one.name)


def test_a_run_does_not_go_on_with_other_data(of_one: Path) -> None:
    before, config = contents(of_one), load_config(of_one)
    added = config.data / "train" / "happy" / "added.png"
    Image.new("L", (48, 48), 77).save(added)
    snapshot = resume_run(of_one, config)
    assert snapshot.state == "failed"
    assert str(config.data) in snapshot.message and "restore it, or start a new run" in snapshot.message
    assert contents(of_one) == before
    added.unlink()
    assert resume_run(of_one, config).state == "completed"


def test_a_data_set_that_is_gone_costs_no_epoch(of_one: Path, tmp_path: Path) -> None:
    before, config = contents(of_one), load_config(of_one)
    config.data.rename(tmp_path / "elsewhere")
    snapshot = resume_run(of_one, config)
    assert snapshot.state == "failed"
    assert str(config.data) in snapshot.message
    assert contents(of_one) == before
    (tmp_path / "elsewhere").rename(config.data)
    assert resume_run(of_one, config).state == "completed"


def test_a_run_whose_checkpoints_are_lost_keeps_what_it_has(of_two: Path) -> None:
    before = contents(of_two)
    (of_two / "checkpoint" / "state.json").write_text("{")
    shutil.rmtree(of_two / "checkpoint.previous")
    snapshot = resume_run(of_two, load_config(of_two))
    assert snapshot.state == "failed"
    assert "start a new run with" in snapshot.message
    assert contents(of_two) == before


def test_a_damaged_checkpoint_costs_its_epoch_and_is_told(of_two: Path) -> None:
    first = read_run(of_two).history[0]
    weights = of_two / "checkpoint" / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:1000])
    snapshot = resume_run(of_two, load_config(of_two))
    assert snapshot.state == "completed"
    assert [row["epoch"] for row in snapshot.history] == [1, 2, 3]
    assert snapshot.history[0] == first
    told = [problem for problem in snapshot.environment["problems"] if problem["kind"] == "damaged_checkpoint"]
    assert "of epoch 1" in told[0]["message"]


@pytest.mark.parametrize("schedule", ["constant", "plateau", "cosine"])
def test_a_run_goes_on_at_the_rate_that_is_asked_for(
    settings: Callable[..., TrainingConfig], tmp_path: Path, schedule: str
) -> None:
    config = settings(epochs=3, schedule=schedule, learning_rate=0.01, warmup_epochs=0, patience=None)
    run = create_run(config, tmp_path)
    train_run(config, run, StopAfter(run, epochs=1))
    before = read_run(run).history[0]["learning_rate"]
    rates = history_values(resume_run(run, changed_config(run, learning_rate=0.001)), "learning_rate")
    assert rates[0] == before
    if schedule == "cosine":
        whole = train_new_run(settings(**{**config.model_dump(), "learning_rate": 0.001}), tmp_path)
        np.testing.assert_allclose(rates[1:], history_values(whole, "learning_rate")[1:], rtol=1e-5)
    else:
        np.testing.assert_allclose(rates[1:], [0.001, 0.001], rtol=1e-5)


def test_a_diverged_run_goes_on_at_a_lower_rate(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    config = settings(optimizer="sgd", learning_rate=1e30, momentum=0, schedule="constant")
    run = train_new_run(config, tmp_path)
    assert run.state == "diverged"
    assert run.history == ()
    assert f"'fer-tui resume {run.name} --learning-rate 1e+29'" in run.message
    assert resume_run(run.path, changed_config(run.path, learning_rate=0.01)).state == "completed"


def test_a_run_that_says_it_has_ended_is_free(
    settings: Callable[..., TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = create_run(settings(epochs=1), tmp_path), []

    def look() -> None:
        # Wait longer than the interval of status updates.
        time.sleep(2 * STATUS_INTERVAL)
        seen.append((read_run(run).state, (run / "lock").exists()))

    @contextlib.contextmanager
    def released() -> Iterator[None]:
        yield
        look()

    monkeypatch.setattr("core.training.memory.release_on_exit", released)
    monkeypatch.setattr("core.export.tracker_registry.TrackerList.log_end", lambda tracking, state: look())
    train_run(load_config(run), run, threading.Event())
    assert seen == [("running", True), ("completed", False)]


def test_a_run_that_another_process_took_over_is_left_to_it(
    settings: Callable[..., TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("core.export.tracker_registry.TrackerList.log_end", lambda tracking, state: told.append(state))
    config = settings(epochs=30, patience=None)
    run = create_run(config, tmp_path)

    class TakenOver(threading.Event):
        def is_set(self) -> bool:
            if len(read_run(run).history) == 1:
                (run / "lock").write_text(json.dumps({"pid": 1}))
            return super().is_set()

    with pytest.raises(RunError, match="another process has taken it over"):
        train_run(config, run, TakenOver())
    assert len(read_run(run).history) == 1
    assert json.loads((run / "lock").read_text()) == {"pid": 1}
    assert told == [], "only the process that took the run over logs its end"


def test_a_run_with_more_epochs_keeps_what_auto_chose(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    run = train_new_run(settings(epochs=1), tmp_path).path
    told = json.loads((run / "environment.json").read_text())
    assert (told["precision"], told["feed"], told["jit_compile"]) == ("float32", "host", "off")
    # Make the run look as if it started on a GPU.
    (run / "environment.json").write_text(json.dumps(told | {"precision": "mixed_bfloat16", "feed": "device"}))
    assert train_run(changed_config(run, epochs=2), run, threading.Event()) == "completed"
    assert len(read_run(run).history) == 2
    again = read_run(run).environment
    assert (again.get("precision"), again.get("feed"), again.get("jit_compile")) == ("mixed_bfloat16", "device", "off")
