"""Training in a notebook: one real run, and runs of a trainer that only writes the run directory."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trainings import FAST

from core.config.training_config import TrainingConfig, resolve
from core.errors import ConfigError, DatasetError, RunError
from core.jobs import notebook
from core.jobs.notebook import train
from core.runs.history import HISTORY_COLUMNS
from core.runs.reader import RunSnapshot, list_runs, read_run
from core.runs.writer import RunWriter

Ending = Callable[[threading.Event], dict[str, Any]]

pytestmark = pytest.mark.usefixtures("tiny_model")


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Python's own handler of SIGINT: a shell that starts the tests in the background has the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def fake_trainer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces the trainer by one that appends an epoch and then ends as it is told."""

    def replace(ending: Ending) -> None:
        def train_run(
            config: TrainingConfig, run: Path, stop: threading.Event, *, captures_stderr: bool, while_loading: object
        ) -> str:
            assert not captures_stderr
            with RunWriter(run, stop) as writer:
                done = len(read_run(run).history)
                writer.append_epoch({**dict.fromkeys(HISTORY_COLUMNS, 0.5), "epoch": done + 1})
                status = ending(stop)
                writer.update(**status)
            return status["state"]

        monkeypatch.setattr("core.training.trainer.train_run", train_run)

    return replace


def completed(stop: threading.Event) -> dict[str, Any]:
    return {"state": "completed"}


def interrupted(stop: threading.Event) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGINT)
    wait_until(stop.is_set)
    return {"state": "stopped", "message": "stopped after epoch 1"}


def settings(faces: Path, runs: Path, **more: Any) -> dict[str, Any]:
    return {**FAST, "data": str(faces), "runs": str(runs), **more}


def test_a_run_is_trained_and_the_process_stays_as_it_is(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = os.fstat(2).st_ino, signal.getsignal(signal.SIGINT)
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        assert (os.fstat(2).st_ino, signal.getsignal(signal.SIGINT)) == before

    monkeypatch.setattr(notebook, "_print", show)
    run = train(resolve({**FAST, "data": faces, "epochs": 9}), runs=str(tmp_path), epochs=1)
    assert (run.state, run.path.parent, run.config["epochs"]) == ("completed", tmp_path, 1)
    assert run.evaluation is not None and run.evaluation["images"] == 14
    epoch, ending = lines
    assert epoch.startswith(f"{run.name}  epoch 1/1  loss {run.history[0]['loss']:.4f}  accuracy ")
    assert ending.startswith(f"{run.name}  completed: val_accuracy ")
    log = (run.path / "log.txt").read_text()
    assert "reading the images" in log and "completed" in log
    again = train(resume=run)
    assert again.history == run.history and "already completed" in lines[-1]


def test_an_interrupt_stops_the_run_and_returns_it(
    faces: Path, tmp_path: Path, fake_trainer: Callable[..., None], capsys: pytest.CaptureFixture[str]
):
    fake_trainer(interrupted)
    run = train(**settings(faces, tmp_path))
    assert (run.state, len(run.history)) == ("stopped", 1)
    out = capsys.readouterr().out
    assert "epoch 1/2" in out and "stops after the batch in progress; interrupt again to stop waiting\n" in out
    assert out.endswith(f"stopped after epoch 1; resume it with train(resume='{run.path}')\n")

    fake_trainer(completed)
    resumed = train(resume="latest", runs=tmp_path, epochs=3, learning_rate=0.01)
    assert (resumed.path, resumed.state, len(resumed.history)) == (run.path, "completed", 2)
    assert (resumed.config["epochs"], resumed.config["learning_rate"]) == (3, 0.01)
    out = capsys.readouterr().out
    assert "epoch 2/3" in out and "epoch 1/" not in out


def test_a_second_interrupt_ends_the_wait(faces: Path, tmp_path: Path, fake_trainer: Callable[..., None]):
    may_end = threading.Event()

    def ending(stop: threading.Event) -> dict[str, Any]:
        status = interrupted(stop)
        os.kill(os.getpid(), signal.SIGINT)
        assert may_end.wait(90)
        return status

    fake_trainer(ending)
    with pytest.raises(KeyboardInterrupt):
        train(**settings(faces, tmp_path))
    (path,) = list_runs(tmp_path)
    assert read_run(path).state == "running"
    may_end.set()
    wait_until(lambda: read_run(path).state == "stopped")


def test_an_output_that_fails_stops_the_run(
    faces: Path, tmp_path: Path, fake_trainer: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    def ending(stop: threading.Event) -> dict[str, Any]:
        wait_until(stop.is_set)
        return {"state": "stopped"}

    def fail(line: str) -> None:
        raise BrokenPipeError

    fake_trainer(ending)
    monkeypatch.setattr(notebook, "_print", fail)
    with pytest.raises(BrokenPipeError):
        train(**settings(faces, tmp_path))
    (path,) = list_runs(tmp_path)
    wait_until(lambda: read_run(path).state == "stopped")


def test_a_failed_run_raises_and_stays(
    faces: Path, tmp_path: Path, fake_trainer: Callable[..., None], capsys: pytest.CaptureFixture[str]
):
    fake_trainer(lambda stop: {"state": "failed", "message": "the disk is full"})
    with pytest.raises(RunError) as caught:
        train(**settings(faces, tmp_path), progress=False)
    (path,) = list_runs(tmp_path)
    assert str(caught.value) == f"{path}: failed: the disk is full; resume it with train(resume='{path}')"
    assert capsys.readouterr().out == ""


def test_a_diverged_run_is_returned(faces: Path, tmp_path: Path, fake_trainer: Callable[..., None]):
    fake_trainer(lambda stop: {"state": "diverged", "message": "the loss became NaN"})
    run = train(**settings(faces, tmp_path))
    assert (run.state, run.message) == ("diverged", "the loss became NaN")


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied", "log.txt"), RunError("taken over")])
def test_an_error_of_the_queue_is_raised(
    error: Exception, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*told: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr("core.training.trainer.train_run", fail)
    with pytest.raises(RunError, match=r"log\.txt: Permission denied; the run directory must be writable|taken over"):
        train(**settings(faces, tmp_path))


@pytest.mark.parametrize(
    ("more", "in_children"), [({}, False), ({"deterministic": True}, True), ({"devices": "cpu:2"}, True)]
)
def test_settings_of_the_whole_process_have_their_own(
    more: dict[str, Any], in_children: bool, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    given: list[bool] = []

    class Queue(notebook.RunQueue):
        def __init__(self, *runs: Any, in_children: bool, **more: Any) -> None:
            super().__init__()
            given.append(in_children)

    monkeypatch.setattr(notebook, "RunQueue", Queue)
    with contextlib.suppress(RunError):
        train(**settings(faces, tmp_path, **more))
    assert given == [in_children]


def test_what_is_wrong_is_said_before_a_run_is_made(faces: Path, tmp_path: Path, write_run: Callable[..., Path]):
    with pytest.raises(ConfigError, match="epochs: "):
        train(**settings(faces, tmp_path / "none", epochs=0))
    with pytest.raises(DatasetError, match="no such folder"):
        train(**settings(tmp_path / "nowhere", tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    run = write_run()
    refused: tuple[dict[str, Any], ...] = ({"batch_size": 8}, {"config": resolve({"data": faces, "model": "compact"})})
    for more in refused:
        with pytest.raises(
            ConfigError, match="a resumed run keeps its settings; give only epochs, learning_rate, data"
        ):
            train(resume=run, **more)
    with pytest.raises(RunError, match="no such run"):
        train(resume="2025", runs=run.parent)


def test_a_snapshot_is_short_in_a_notebook(write_run: Callable[..., Path]):
    run = read_run(write_run(history=[{"epoch": 1}]))
    assert isinstance(run, RunSnapshot) and repr(run) == f"RunSnapshot(path={run.path!r}, state='completed')"
