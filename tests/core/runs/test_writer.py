from __future__ import annotations

import json
import math
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.training_config import TrainingConfig, resolve
from core.errors import RunError
from core.runs import writer as run_writer
from core.runs.history import HISTORY_COLUMNS, read_history
from core.runs.reader import find_run, is_run, list_runs, read_run
from core.runs.writer import RunWriter, create_run, request_stop
from core.system import files

PATIENCE = 90.0


@pytest.fixture
def config() -> TrainingConfig:
    return resolve({"data": "/faces", "model": "compact", "epochs": 3})


@pytest.fixture
def run(config: TrainingConfig, tmp_path: Path) -> Path:
    return create_run(config, tmp_path / "runs")


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the heartbeat thread check a hundred times a second."""
    monkeypatch.setattr(run_writer, "STATUS_INTERVAL", 0.01)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the heartbeat thread from waking up."""
    monkeypatch.setattr(run_writer, "STATUS_INTERVAL", 3600.0)


class Statuses:
    """Records every written status, and can wait for one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[Mapping[str, Any]] = []
        self.arrived = threading.Condition()
        write = files.write_json

        def recorded(path: Path, value: Any) -> None:
            write(path, value)
            if path.name == "status.json":
                with self.arrived:
                    self.written.append(value)
                    self.arrived.notify_all()

        monkeypatch.setattr(files, "write_json", recorded)

    def wait_for(self, wanted: Callable[[list[Mapping[str, Any]]], object]) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: wanted(self.written), PATIENCE), self.written


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> Statuses:
    return Statuses(monkeypatch)


def status(run: Path) -> dict[str, Any]:
    return json.loads((run / "status.json").read_text("utf-8"))


def heartbeats() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


def writer(run: Path) -> RunWriter:
    return RunWriter(run, threading.Event())


# Making a run


def test_a_new_run_is_queued_with_its_whole_config(run: Path, config: TrainingConfig):
    assert re.fullmatch(r"\d{8}-\d{6}-\d{3}-compact-[0-9a-f]{4}", run.name)
    assert sorted(path.name for path in run.iterdir()) == ["config.json", "status.json"]
    assert TrainingConfig.model_validate_json((run / "config.json").read_bytes()) == config
    snapshot = read_run(run)
    assert snapshot.state == "queued"
    assert (snapshot.status["pid"], snapshot.status["host"]) == (os.getpid(), socket.gethostname())
    assert (snapshot.status["epoch"], snapshot.status["batch"], snapshot.message) == (0, 0, "")
    assert time.time() - (snapshot.status["heartbeat"] or 0.0) < 60


def test_runs_made_one_after_another_are_in_order_and_latest_is_the_last(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    made = []
    for _ in range(5):
        made.append(create_run(config, tmp_path / "runs"))
        before = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == before:
            pass
    assert list_runs(tmp_path / "runs") == made[::-1]
    assert find_run("latest", tmp_path / "runs") == made[-1]


def test_a_folder_is_a_run_only_when_it_is_complete(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[tuple[str, bool]] = []
    write = files.write_json

    def watched(path: Path, value: Any) -> None:
        seen.append((path.name, is_run(path.parent)))
        write(path, value)

    monkeypatch.setattr(files, "write_json", watched)
    create_run(config, tmp_path)
    assert seen == [("status.json", False), ("config.json", False)]


@pytest.mark.parametrize("name", ["status.json", "config.json"])
def test_a_full_disk_leaves_no_run(config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    write = files.write_json

    def full(path: Path, value: Any) -> None:
        if path.name == name:
            raise OSError(28, "No space left on device")
        write(path, value)

    monkeypatch.setattr(files, "write_json", full)
    with pytest.raises(RunError, match=f"^runs: {tmp_path}: No space left on device; free some space$"):
        create_run(config, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_told(config: TrainingConfig, tmp_path: Path):
    (tmp_path / "runs").touch()
    with pytest.raises(RunError, match=f"^runs: {tmp_path}/runs: Not a directory; choose a writable folder$"):
        create_run(config, tmp_path / "runs")


# Life and end


def test_a_run_is_running_while_it_is_written_and_ends_as_it_says(run: Path):
    with writer(run) as writing:
        assert read_run(run).state == "running"
        assert json.loads((run / "lock").read_text())["pid"] == os.getpid()
        writing.update(state="completed", message="done")
    assert (read_run(run).state, read_run(run).message) == ("completed", "done")
    assert sorted(path.name for path in run.iterdir()) == ["config.json", "status.json"]
    assert heartbeats() == []


def test_an_error_ends_the_thread_and_gives_the_run_back(run: Path):
    with pytest.raises(KeyError), writer(run) as writing:
        writing.update(state="failed", message="why")
        raise KeyError
    assert (read_run(run).state, read_run(run).message) == ("failed", "why")
    assert not (run / "lock").exists()
    assert heartbeats() == []


def test_updates_are_written_by_the_thread(run: Path, fast: None, statuses: Statuses):
    with writer(run) as writing:
        writing.update(epoch=2, batch=7)
        statuses.wait_for(lambda written: written[-1]["batch"] == 7)
        assert (status(run)["epoch"], status(run)["state"]) == (2, "running")
        writing.update(batch=8)
        statuses.wait_for(lambda written: written[-1]["batch"] == 8)
    assert status(run)["epoch"] == 2


def test_many_updates_are_one_write(run: Path, still: None, statuses: Statuses):
    with writer(run) as writing:
        for batch in range(1000):
            writing.update(batch=batch)
        assert len(statuses.written) == 1, "the one on entering"
    assert [written["batch"] for written in statuses.written] == [0, 999]


def test_the_heart_beats_when_nothing_changes(
    run: Path, fast: None, statuses: Statuses, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run_writer, "HEARTBEAT_INTERVAL", 0.02)
    with writer(run):
        statuses.wait_for(lambda written: len(written) >= 4)
    beats = [written["heartbeat"] for written in statuses.written]
    assert beats == sorted(beats)
    assert len(set(beats)) == len(beats)


def test_nothing_is_written_when_nothing_changes_between_heartbeats(
    run: Path, fast: None, statuses: Statuses, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run_writer, "HEARTBEAT_INTERVAL", 3600.0)
    looked = threading.Semaphore(0)
    with writer(run) as writing:
        wait = writing._ended.wait
        writing._ended.wait = lambda timeout=None: looked.release() or wait(timeout)
        for _ in range(20):
            assert looked.acquire(timeout=PATIENCE)
        assert len(statuses.written) == 1, "the one on entering"


def test_a_full_disk_ends_no_run_and_the_next_beat_tries_again(run: Path, fast: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_writer, "HEARTBEAT_INTERVAL", 3600.0)
    failed = threading.Event()
    write = files.write_json

    def full(path: Path, value: Any) -> None:
        if not failed.is_set() and value.get("batch") == 7:
            failed.set()
            raise OSError(28, "No space left on device")
        write(path, value)

    monkeypatch.setattr(files, "write_json", full)
    statuses = Statuses(monkeypatch)
    with writer(run) as writing:
        writing.update(batch=7)
        assert failed.wait(PATIENCE)
        statuses.wait_for(lambda written: written[-1]["batch"] == 7)


def test_the_last_status_is_the_last_one_written(run: Path, fast: None, monkeypatch: pytest.MonkeyPatch):
    writing, ended = threading.Event(), threading.Event()
    write = files.write_json

    def slow(path: Path, value: Any) -> None:
        if threading.current_thread().name == "heartbeat":
            writing.set()
            # If leaving did not wait for this write, the run would end within this time.
            ended.wait(0.3)
        write(path, value)
        if value["state"] == "completed":
            ended.set()

    monkeypatch.setattr(files, "write_json", slow)
    with writer(run) as changing:
        changing.update(batch=1)
        assert writing.wait(PATIENCE)
        changing.update(state="completed")
    assert status(run)["state"] == "completed"
    assert heartbeats() == []


def test_a_disk_that_is_full_at_the_end_raises_nothing(run: Path, still: None, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, value: Any) -> None:
        raise OSError(28, "No space left on device")

    with writer(run):
        monkeypatch.setattr(files, "write_json", full)
    assert not (run / "lock").exists()
    assert heartbeats() == []


def test_a_run_whose_first_status_cannot_be_written_is_given_back(run: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, value: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context, pytest.raises(OSError, match="No space"):
        context.setattr(files, "write_json", full)
        writer(run).__enter__()
    assert heartbeats() == []
    with writer(run):
        assert read_run(run).state == "running"


def test_the_environment_is_stored(run: Path):
    with writer(run) as writing:
        writing.write_environment({"classes": ["caf\udce9"], "batches": {"label_entropy": math.nan}})
    assert read_run(run).environment == {"classes": ["caf\udce9"], "batches": {"label_entropy": None}}


# Stopping


def test_a_stop_file_sets_the_event(run: Path, fast: None):
    stop = threading.Event()
    with RunWriter(run, stop) as writing:
        assert not stop.is_set()
        assert not writing.stop_requested
        request_stop(run)
        assert stop.wait(PATIENCE)
        assert writing.stop_requested
    assert not (run / "stop").exists()


def test_a_request_from_before_an_earlier_end_counts_no_more(run: Path, fast: None, statuses: Statuses):
    with writer(run) as writing:
        writing.update(state="failed")
    request_stop(run)
    with writer(run) as writing:
        assert not (run / "stop").exists()
        writing.update(batch=1)
        statuses.wait_for(lambda written: written[-1]["batch"] == 1)
        assert not writing.stop_requested


def test_a_request_that_a_queued_run_met_is_not_lost(run: Path, fast: None):
    request_stop(run)
    stop = threading.Event()
    with RunWriter(run, stop):
        assert stop.wait(PATIENCE)
    assert not (run / "stop").exists()


def test_a_request_for_a_run_that_is_gone_is_told(tmp_path: Path):
    with pytest.raises(RunError, match=f"^{tmp_path}/gone: No such file or directory; the stop request can't be"):
        request_stop(tmp_path / "gone")


# History


def row(epoch: int, **figures: float) -> dict[str, float]:
    return {"epoch": epoch, **figures}


def test_epochs_are_appended_by_whole_lines(run: Path):
    writing = writer(run)
    writing.append_epoch(row(1, loss=0.5, accuracy=1.0, val_loss=math.nan, learning_rate=1e-05, seconds=12.0))
    writing.append_epoch(row(2, loss=1 / 3))
    assert (run / "history.csv").read_text().splitlines() == [
        ",".join(HISTORY_COLUMNS),
        "1,0.5,1,,,,,,,1e-05,12,",
        "2,0.3333333333333333,,,,,,,,,,",
    ]
    assert (run / "history.csv").read_bytes().endswith(b"\n")


def test_an_epoch_is_on_disk_when_it_is_told(run: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").resolve().read_text())
    )
    writer(run).append_epoch(row(1))
    assert synced == [(run / "history.csv").read_text()]
    assert synced[0].endswith("1,,,,,,,,,,,\n")


@given(st.lists(st.lists(st.floats(), min_size=11, max_size=11), max_size=4))
def test_figures_come_back_to_the_last_bit(tmp_path_factory: pytest.TempPathFactory, epochs: list[list[float]]):
    run = tmp_path_factory.mktemp("run")
    rows = [dict(zip(HISTORY_COLUMNS, [i, *figures], strict=True)) for i, figures in enumerate(epochs, start=1)]
    for figures in rows:
        writer(run).append_epoch(figures)
    read = read_history(run / "history.csv")
    assert [tuple(found) for found in read] == [HISTORY_COLUMNS] * len(rows)
    # Only the sign of zero is lost. `repr` makes NaN equal to itself.
    assert [[repr(value + 0.0) for value in found.values()] for found in read] == [
        [repr(float(value) + 0.0) for value in written.values()] for written in rows
    ]


@pytest.mark.parametrize(("epochs", "kept"), [(0, []), (1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (9, [1, 2, 3])])
@pytest.mark.parametrize("half", ["", "4,0.", "4,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5"])
def test_truncating_drops_later_epochs_and_half_lines(run: Path, epochs: int, kept: list[int], half: str):
    writing = writer(run)
    for epoch in (1, 2, 3):
        writing.append_epoch(row(epoch, loss=1 / epoch))
    with (run / "history.csv").open("a") as file:
        file.write(half)
    writing.truncate_history(epochs)
    assert [found["epoch"] for found in read_history(run / "history.csv")] == kept
    writing.append_epoch(row(len(kept) + 1, loss=0.25))
    found = read_history(run / "history.csv")
    assert [epoch["epoch"] for epoch in found] == [*kept, len(kept) + 1]
    assert [epoch["loss"] for epoch in found] == [*(1 / epoch for epoch in kept), 0.25]


def test_without_history_there_is_nothing_to_truncate(run: Path):
    writer(run).truncate_history(3)
    assert not (run / "history.csv").exists()


def test_a_crash_while_truncating_leaves_the_whole_history(run: Path, monkeypatch: pytest.MonkeyPatch):
    writing = writer(run)
    for epoch in (1, 2):
        writing.append_epoch(row(epoch))
    before = (run / "history.csv").read_bytes()

    def crash(path: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        writing.truncate_history(1)
    assert (run / "history.csv").read_bytes() == before
