"""A refused or failed resume leaves the run as it was, whatever its state."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from trainings import FAST, StopAfter, train_new_run

from core.config.training_config import TrainingConfig, resolve
from core.errors import ConfigError, DatasetError, FerError, RunError
from core.jobs.run_queue import REFUSED, RunQueue
from core.runs.names import BEFORE
from core.runs.reader import read_run
from core.runs.resume import load_config, move_data, requeue, set_final_state
from core.runs.rollback import can_restore, keep_files, restore_files
from core.runs.run_dataset import read_run_dataset
from core.runs.writer import RunWriter, create_run
from core.training.trainer import train_run

ENDED = ("completed", "stopped", "failed", "interrupted")


def contents(run: Path) -> dict[str, bytes]:
    """Return the content of every file of a run but its log."""
    paths = (path for path in sorted(run.rglob("*")) if path.is_file() and path.name != "log.txt")
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def trained_once(faces: Path, tiny_model: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A completed run of one epoch on data of its own."""
    folder = tmp_path_factory.mktemp("trained")
    config = resolve({**FAST, "data": shutil.copytree(faces, folder / "own"), "epochs": 1})
    return train_new_run(config, folder / "runs").path


@pytest.fixture
def trained(trained_once: Path, faces: Path) -> Path:
    """That run, with its data in place; do not change its directory."""
    if not load_config(trained_once).data.exists():
        shutil.copytree(faces, load_config(trained_once).data)
    return trained_once


@pytest.fixture(params=ENDED)
def ended(request: pytest.FixtureRequest, trained: Path, tmp_path: Path) -> Path:
    """A copy of that run in each state in which a run can be resumed."""
    run = shutil.copytree(trained, tmp_path / "runs" / trained.name)
    status = json.loads((run / "status.json").read_text())
    # A killed process leaves the state `running`.
    state = {"interrupted": "running"}.get(request.param, request.param)
    (run / "status.json").write_text(json.dumps({**status, "state": state, "message": f"was {state}", "pid": None}))
    assert read_run(run).state == request.param
    return run


def test_a_refused_resume_changes_nothing(ended: Path) -> None:
    before, data = contents(ended), load_config(ended).data
    shutil.rmtree(data)
    with pytest.raises(DatasetError, match=rf"the data set is missing.* 'fer-tui resume {ended.name} --data PATH'"):
        requeue(ended, epochs=3)
    with pytest.raises(ConfigError, match="learning_rate"):
        requeue(ended, epochs=3, learning_rate=-1.0)
    with pytest.raises(ConfigError, match="has trained 1 epochs"):
        requeue(ended, epochs=0)
    assert contents(ended) == before


def test_a_failed_resume_changes_nothing(ended: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(ended)

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("core.training.loop.TrainingLoop.run", fail)
    requeue(ended, epochs=3, learning_rate=0.5)
    assert read_run(ended).state == "queued"
    queue = RunQueue([ended])
    queue.work()
    assert str(queue.errors[ended]).startswith(f"{ended.name}: out of memory; close other programs")
    assert str(queue.errors[ended]).endswith("; the run is as it was before")
    assert contents(ended) == before
    assert "out of memory" in (ended / "log.txt").read_text()


def test_other_data_are_refused_in_one_line(ended: Path, faces: Path, tmp_path: Path) -> None:
    before, other = contents(ended), shutil.copytree(faces, tmp_path / "other")
    next((other / "train" / "happy").iterdir()).unlink()
    requeue(ended, epochs=3, data=other)
    with pytest.raises(RunError, match=rf"{other}: this is not the data set that the run was trained on") as refused:
        train_run(load_config(ended), ended, threading.Event())
    assert "\n" not in str(refused.value)
    assert contents(ended) == before


class Refusing:
    """A child process that trained a run and was refused."""

    def __init__(self, run: Path) -> None:
        self.pid = os.getpid()
        with pytest.raises(RunError) as refused:
            train_run(load_config(run), run, threading.Event())
        self.stdout = BytesIO(str(refused.value).encode())

    def wait(self) -> int:
        return REFUSED

    def send_signal(self, number: int) -> None:
        raise AssertionError


def test_other_data_that_a_child_process_refuses_change_nothing(ended: Path, faces: Path, tmp_path: Path) -> None:
    before, other = contents(ended), shutil.copytree(faces, tmp_path / "other")
    next((other / "train" / "happy").iterdir()).unlink()
    requeue(ended, epochs=3, data=other)
    queue = RunQueue([ended], first_child=Refusing(ended))
    queue.work()
    assert str(queue.errors[ended]).endswith("; the run is as it was before")
    assert contents(ended) == before


def test_a_run_whose_only_checkpoint_is_damaged_is_not_trained_again(ended: Path) -> None:
    (ended / "checkpoint" / "state.json").write_text("{")
    before = contents(ended)
    requeue(ended, epochs=2)
    with pytest.raises(RunError, match=r"are damaged or missing, so the run can't be resumed"):
        train_run(load_config(ended), ended, threading.Event())
    assert contents(ended) == before


def test_a_cancelled_resume_changes_nothing(ended: Path) -> None:
    before = contents(ended)
    requeue(ended, epochs=3)
    queue = RunQueue([ended])
    assert queue.cancel(ended)
    assert contents(ended) == before


def test_a_failure_after_a_new_checkpoint_is_stored(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / trained.name)

    def break_off(*_: object) -> None:
        if len(read_run(run).history) == 2:
            raise MemoryError

    requeue(run, epochs=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.training.epoch_recorder.TrackerList.log_epochs", break_off)
        assert train_run(load_config(run), run, threading.Event()) == "failed"
    assert (read_run(run).state, len(read_run(run).history)) == ("failed", 2)
    assert not (run / BEFORE).exists()


def test_a_resumed_run_that_ends_keeps_nothing_from_before(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / trained.name)
    requeue(run, epochs=2)
    assert can_restore(run)
    assert train_run(load_config(run), run, threading.Event()) == "completed"
    assert (len(read_run(run).history), (run / BEFORE).exists()) == (2, False)


def test_a_new_run_that_fails_is_failed(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    run = create_run(settings(data=tmp_path / "none"), tmp_path / "runs")
    assert train_run(load_config(run), run, threading.Event()) == "failed"
    assert "no such" in read_run(run).message


def test_moved_data_are_found_again(ended: Path, tmp_path: Path) -> None:
    moved = load_config(ended).data.rename(tmp_path / "moved")
    requeue(ended, epochs=2, data=moved)
    assert train_run(load_config(ended), ended, threading.Event()) == "completed"
    assert load_config(ended).data == moved
    assert read_run_dataset(read_run(ended)).root == moved


def test_a_run_is_told_its_moved_data_without_training(trained: Path, faces: Path, tmp_path: Path) -> None:
    run, moved = shutil.copytree(trained, tmp_path / trained.name), shutil.copytree(faces, tmp_path / "moved")
    before = contents(run)
    move_data(run, moved)
    assert read_run_dataset(read_run(run)).root == moved
    assert {name for name, content in contents(run).items() if before[name] != content} == {
        "config.json",
        "environment.json",
    }
    next((moved / "train" / "happy").iterdir()).unlink()
    before = contents(run)
    with pytest.raises(DatasetError, match="this is not the data set"):
        move_data(run, moved)
    assert contents(run) == before


def test_missing_data_of_a_run_name_the_way_back(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / trained.name)
    environment = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps({**environment, "data": str(tmp_path / "gone")}))
    with pytest.raises(DatasetError, match=rf"gone.* 'fer-tui resume {run.name} --data PATH'"):
        read_run_dataset(read_run(run))


def test_a_run_of_another_process_is_not_touched(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / trained.name)
    with RunWriter(run, threading.Event()):
        (run / "status.json").write_text(json.dumps({"state": "completed"}))
        before = contents(run)
        with pytest.raises(RunError, match="is working on it"):
            requeue(run, epochs=2)
        assert {name: content for name, content in contents(run).items() if name != "status.json"} == {
            name: content for name, content in before.items() if name != "status.json"
        }


def test_an_epoch_without_a_checkpoint_leaves_no_row(write_run: Callable[..., Path]) -> None:
    run = write_run(history=[{"epoch": 1, "loss": 0.5}])
    before = (run / "history.csv").read_bytes()
    keep_files(run)
    with (run / "history.csv").open("ab") as file:
        file.write(b"2,0.4,,,,,,,,,,\n")
    restore_files(run)
    assert (run / "history.csv").read_bytes() == before


def test_files_that_a_run_did_not_have_are_removed(write_run: Callable[..., Path]) -> None:
    run = write_run()
    before = contents(run)
    keep_files(run)
    (run / "environment.json").write_text("{}")
    (run / "history.csv").write_text("epoch\n")
    os.unlink(run / "config.json")  # noqa: PTH108
    restore_files(run)
    assert contents(run) == before


def test_a_kept_state_is_that_before_the_last_resume(trained: Path, faces: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / trained.name)
    requeue(run, epochs=5)
    # Its process was killed.
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps({**status, "state": "running", "pid": None}))
    before = {name: content for name, content in contents(run).items() if not name.startswith(BEFORE)}
    requeue(run)
    set_final_state(run, "failed", "nothing")
    assert contents(run) == before
    assert (read_run(run).state, load_config(run).epochs) == ("interrupted", 5)


def test_a_stop_while_images_are_read_leaves_the_run(trained: Path, faces: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / trained.name)
    before, stop = contents(run), threading.Event()
    requeue(run, epochs=2)
    stop.set()
    assert train_run(load_config(run), run, stop) == "stopped"
    assert contents(run) == before


def test_a_stop_within_an_epoch_is_a_stop(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / trained.name)
    requeue(run, epochs=3)
    assert train_run(load_config(run), run, StopAfter(run, epochs=2)) == "stopped"
    assert (read_run(run).state, len(read_run(run).history)) == ("stopped", 2)


def test_a_resume_that_cannot_be_written_is_refused(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(trained, tmp_path / trained.name)
    before = contents(run)

    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("core.system.files.write_bytes", refuse)
    with pytest.raises(FerError, match="Permission denied; the run directory must be writable"):
        requeue(run, epochs=3)
    monkeypatch.undo()
    assert contents(run) == before
