from __future__ import annotations

import math
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RunError
from core.runs.history import HISTORY_COLUMNS, read_history
from core.runs.reader import (
    FINAL_STATES,
    STATES,
    find_run,
    is_improvement,
    kept_epoch,
    list_runs,
    read_json,
    read_run,
    runs_folder,
)
from core.runs.schema import ConfigFile
from core.system import processes
from core.system.processes import this_process

WriteRun = Callable[..., Path]
NOW = 1_800_000_000.0
NAN = math.nan


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(processes.time, "time", lambda: NOW)
    return NOW


@pytest.fixture(scope="module")
def ended_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def row(epoch: int, **figures: float) -> dict[str, float]:
    return {**dict.fromkeys(HISTORY_COLUMNS, NAN), "epoch": epoch, **figures}


def history(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_text("\n".join([",".join(HISTORY_COLUMNS), *lines]) + end)
    return path


def line(epoch: int, *figures: float) -> str:
    cells = [str(epoch), *map(str, figures)]
    return ",".join(cells + [""] * (len(HISTORY_COLUMNS) - len(cells)))


# States


@pytest.mark.parametrize("state", ["completed", "stopped", "failed", "diverged"])
def test_an_ended_state_stands_whoever_wrote_it(write_run: WriteRun, ended_pid: int, state: str):
    run = write_run(status={"state": state, "pid": ended_pid, "host": socket.gethostname(), "message": "why"})
    assert read_run(run).state == state
    assert read_run(run).message == "why"
    assert state in FINAL_STATES


@pytest.mark.parametrize("state", ["queued", "running"])
class TestStatesOfProcesses:
    def test_of_this_process_stands_however_old_the_heartbeat(self, write_run: WriteRun, state: str):
        assert read_run(write_run(status={"state": state, "heartbeat": 0, **this_process()})).state == state

    def test_of_a_process_that_is_gone_is_interrupted_at_once(
        self, write_run: WriteRun, clock: float, ended_pid: int, state: str
    ):
        status = {"state": state, "pid": ended_pid, "host": socket.gethostname(), "heartbeat": clock}
        assert read_run(write_run(status=status)).state == "interrupted"

    def test_of_a_pid_that_is_used_again_is_interrupted(self, write_run: WriteRun, clock: float, state: str):
        status = {"state": state, "heartbeat": clock, **this_process()}
        status |= {"started": status["started"] - 100, "birth": None}
        assert read_run(write_run(status=status)).state == "interrupted"

    @pytest.mark.parametrize(
        ("age", "alive"),
        [(0, True), (59, True), (60, False), (3600, False), (-30, True), (-61, False), (None, False), ("x", False)],
    )
    def test_on_another_host_the_heartbeat_decides(
        self, write_run: WriteRun, clock: float, state: str, age: Any, alive: bool
    ):
        # The pid of this process has no meaning on the other host.
        heartbeat = clock - age if isinstance(age, int) else age
        status = {"state": state, **this_process(), "host": "elsewhere", "heartbeat": heartbeat}
        assert read_run(write_run(status=status)).state == (state if alive else "interrupted")


@pytest.mark.parametrize("content", [None, "", "{", "[]", '"running"', "null", "\0\0\0", "[" * 100_000])
def test_a_status_that_is_damaged_means_interrupted(write_run: WriteRun, content: str | None):
    path = write_run() / "status.json"
    path.unlink() if content is None else path.write_text(content)
    assert read_run(path.parent).state == "interrupted"
    assert read_run(path.parent).message == (
        "" if content is None else "can't be read: status.json: the file is damaged"
    )


@pytest.mark.parametrize("state", [None, "", "done", 5, ["running"], {"a": 1}])
def test_a_state_that_there_is_not_means_interrupted(write_run: WriteRun, state: Any):
    assert read_run(write_run(status={"state": state})).state == "interrupted"
    assert "interrupted" in STATES


# Reading a directory


def test_a_run_is_read_as_it_was_written(write_run: WriteRun):
    run = write_run(
        config={"epochs": 5},
        status={"message": None},
        environment={"host": "here"},
        evaluation={"accuracy": 0.5, "warnings": [{"code": "partial_validation", "message": "…"}]},
        history=[row(1, loss=2.0, seconds=1.5), row(2, loss=1.0, seconds=2.25), row(3, loss=1.0)],
    )
    snapshot = read_run(run)
    assert snapshot.name == run.name
    assert (snapshot.model, snapshot.message, snapshot.seconds) == ("compact", "", 3.75)
    assert snapshot.config["epochs"] == 5
    assert snapshot.environment == {"host": "here"}
    assert [epoch["loss"] for epoch in snapshot.history] == [2, 1, 1]
    assert [warning["code"] for warning in snapshot.warnings] == ["partial_validation"]


@pytest.mark.parametrize("content", ["", "{", "[1]", "\0", "nonsense", b"\xff\xfe"])
def test_damaged_files_read_as_empty(write_run: WriteRun, content: str | bytes):
    run = write_run(environment={}, evaluation={})
    for name in ("config.json", "environment.json", "status.json", "evaluation.json", "history.csv"):
        (run / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    snapshot = read_run(run)
    assert (snapshot.config, snapshot.environment, snapshot.status, snapshot.history) == ({}, {}, {}, ())
    assert snapshot.evaluation is None
    assert (snapshot.model, snapshot.state, snapshot.warnings, snapshot.kept_epoch()) == ("?", "interrupted", [], None)


def test_a_folder_that_is_gone_reads_as_empty(tmp_path: Path):
    assert read_run(tmp_path / "gone").state == "interrupted"


def test_reading_runs_needs_nothing_heavy():
    heavy = {"tensorflow", "keras", "pandas", "numpy", "scipy", "sklearn", "pydantic"}
    code = f"import sys, core.runs.reader; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# History


def test_history_is_read_by_column(tmp_path: Path):
    path = history(tmp_path / "history.csv", line(1, 2.5, 0.125), line(2, 1e-7, 1))
    first, second = read_history(path)
    assert (first["epoch"], first["loss"], first["accuracy"]) == (1, 2.5, 0.125)
    assert (second["epoch"], second["loss"], second["accuracy"]) == (2, 1e-7, 1)
    assert math.isnan(first["val_loss"])
    assert tuple(first) == HISTORY_COLUMNS


def test_columns_may_stand_in_another_order_or_be_missing(tmp_path: Path):
    path = tmp_path / "history.csv"
    path.write_text("val_loss,new,epoch\n0.5,9,1\n")
    [found] = read_history(path)
    assert (found["epoch"], found["val_loss"]) == (1, 0.5)
    assert math.isnan(found["loss"])
    assert "new" not in found


@pytest.mark.parametrize("end", ["", "3", "3,0.", f"{line(3, 0.5)}"])
def test_a_last_line_without_its_end_is_left_out(tmp_path: Path, end: str):
    path = history(tmp_path / "history.csv", line(1), line(2), end=f"\n{end}")
    assert [found["epoch"] for found in read_history(path)] == [1, 2]


@pytest.mark.parametrize("damaged", ["", "\0" * 50, "?,?", ",,,,", '"', "\ufffd\x1b[31m", "x" * 200_000])
def test_a_damaged_line_is_left_out(tmp_path: Path, damaged: str):
    path = history(tmp_path / "history.csv", line(1), line(2), damaged)
    assert [found["epoch"] for found in read_history(path)] == [1, 2]
    path = history(tmp_path / "history.csv", line(1), damaged, line(2))
    assert [found["epoch"] for found in read_history(path)] == [1, 2]


@pytest.mark.parametrize("content", [b"", b"epoch", b"epoch,loss", b"epoch,loss\n", b"\xff\n\xff\n"])
def test_a_history_without_a_whole_row_is_empty(tmp_path: Path, content: bytes):
    (tmp_path / "history.csv").write_bytes(content)
    assert read_history(tmp_path / "history.csv") == ()


def test_a_history_that_is_cut_anywhere_gives_its_whole_rows(tmp_path: Path):
    path = history(tmp_path / "history.csv", line(1, 0.5), line(2, 0.25), line(13, 0.125))
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        rows = max(whole[:length].count(b"\n") - 1, 0)
        assert [(found["epoch"], found["loss"]) for found in read_history(path)] == [
            (1, 0.5),
            (2, 0.25),
            (13, 0.125),
        ][:rows]
    assert len(read_history(path)) == 3


def test_a_missing_history_is_empty(tmp_path: Path):
    assert read_history(tmp_path / "history.csv") == ()
    assert read_history(tmp_path) == ()


# The kept epoch


@pytest.mark.parametrize(
    ("monitor", "value", "best", "expected"),
    [
        ("val_loss", 0.5, 0.6, True),
        ("val_loss", 0.6, 0.6, False),
        ("loss", 0.7, 0.6, False),
        ("val_accuracy", 0.7, 0.6, True),
        ("accuracy", 0.6, 0.6, False),
        ("recall", 0.5, 0.6, False),
        ("val_loss", 0.5, None, True),
        ("val_loss", 0.5, NAN, True),
        ("val_loss", NAN, 0.5, False),
        ("val_loss", NAN, None, False),
        ("val_accuracy", math.inf, 0.5, True),
    ],
)
def test_better_is_lower_for_a_loss_and_higher_for_the_rest(
    monitor: str, value: float, best: float | None, expected: bool
):
    assert is_improvement(monitor, value, best) is expected


@pytest.mark.parametrize(
    ("monitor", "value", "expected"),
    [("loss", 0.75, False), ("loss", 0.5, False), ("loss", 0.25, True), ("recall", 1.5, False), ("recall", 1.75, True)],
)
def test_better_by_less_than_min_delta_does_not_count(monitor: str, value: float, expected: bool):
    assert is_improvement(monitor, value, 1.0, min_delta=0.5) is expected


EPOCHS = (
    row(1, val_loss=0.9, val_accuracy=0.4),
    row(2, val_loss=0.5, val_accuracy=0.6),
    row(3, val_loss=0.5, val_accuracy=0.7),
    row(4, val_loss=0.6, val_accuracy=0.7),
)


@pytest.mark.parametrize(
    ("config", "epoch"),
    [
        ({}, 2),
        ({"keep": "best", "monitor": "val_loss"}, 2),
        ({"monitor": "val_accuracy"}, 3),
        ({"monitor": "val_accuracy", "keep": "last"}, 4),
        ({"monitor": "val_precision"}, 1),
    ],
)
def test_the_kept_epoch_is_the_first_best_or_the_last(config: ConfigFile, epoch: int):
    kept = kept_epoch(EPOCHS, config)
    assert kept is not None
    assert kept["epoch"] == epoch
    assert kept_epoch((), config) is None


def test_an_epoch_without_a_figure_is_kept_only_until_there_is_one():
    kept = kept_epoch((row(1), row(2, val_loss=9.0), row(3)), {})
    assert kept is not None
    assert kept["epoch"] == 2


@given(st.lists(st.floats() | st.just(NAN), min_size=1))
def test_no_epoch_is_better_than_the_kept_one(losses: list[float]):
    kept = kept_epoch(tuple(row(i, val_loss=loss) for i, loss in enumerate(losses, start=1)), {})
    assert kept is not None
    finite = [loss for loss in losses if loss == loss]
    if finite:
        assert kept["val_loss"] == min(finite)


# Finding runs


@pytest.fixture
def folder(write_run: WriteRun) -> Path:
    for name in ("20260101-000000-000-model2-bbbb", "20260102-000000-000-compact-cccc"):
        write_run(name)
    runs = write_run("20260101-000000-000-compact-aaaa").parent
    (runs / "not-a-run").mkdir()
    (runs / "20260103-notes.txt").touch()
    return runs


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    yield place


def test_runs_are_listed_newest_first_and_nothing_else(folder: Path):
    assert [path.name for path in list_runs(folder)] == [
        "20260102-000000-000-compact-cccc",
        "20260101-000000-000-model2-bbbb",
        "20260101-000000-000-compact-aaaa",
    ]


def test_no_folder_has_no_runs(tmp_path: Path):
    (tmp_path / "file").touch()
    assert list_runs(tmp_path / "gone") == []
    with pytest.raises(RunError, match=r"file: Not a directory; choose a readable folder$"):
        list_runs(tmp_path / "file")


def test_a_folder_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def denied(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(RunError, match=f"^runs: {folder}: Permission denied; choose a readable folder$"):
        list_runs(folder)


def test_a_run_that_cannot_be_looked_into_is_listed_too(folder: Path, monkeypatch: pytest.MonkeyPatch):
    stat = Path.stat

    def denied(path: Path) -> os.stat_result:
        if path.parent.name.endswith("bbbb"):
            raise PermissionError(13, "Permission denied")
        return stat(path)

    monkeypatch.setattr(Path, "stat", denied)
    assert [path.name[-4:] for path in list_runs(folder)] == ["cccc", "bbbb", "aaaa"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("latest", "20260102-000000-000-compact-cccc"),
        ("20260102", "20260102-000000-000-compact-cccc"),
        ("20260101-000000-000-m", "20260101-000000-000-model2-bbbb"),
        ("20260101-000000-000-compact-aaaa", "20260101-000000-000-compact-aaaa"),
    ],
)
def test_a_run_goes_by_a_prefix_or_latest(folder: Path, elsewhere: Path, name: str, found: str):
    assert find_run(name, folder) == folder / found


def test_a_whole_name_wins_over_a_longer_one(write_run: WriteRun, elsewhere: Path):
    first = write_run("run-a")
    write_run("run-ab")
    assert find_run("run-a", first.parent) == first


def test_a_run_goes_by_its_directory_wherever_runs_are(folder: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    run = folder / "20260101-000000-000-model2-bbbb"
    assert find_run(str(run), elsewhere) == run
    assert find_run(os.path.relpath(run), elsewhere) == run
    monkeypatch.chdir(run)
    assert find_run(".", elsewhere).name == run.name
    assert read_run(find_run(".", elsewhere)).name == run.name


def test_a_directory_called_latest_is_meant_by_its_name(write_run: WriteRun, monkeypatch: pytest.MonkeyPatch):
    older, latest = write_run("20260101-a"), write_run("latest")
    assert find_run("latest", older.parent) == latest
    monkeypatch.chdir(older.parent)
    assert find_run("latest", older.parent) == latest


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "20260101-000000-000-",
            "2 runs start with it; give more of the name, such as 20260101-000000-000-model2-bbbb",
        ),
        ("2026", "3 runs start with it; give more of the name, such as 20260102-000000-000-compact-cccc"),
        ("compact", "no such run in {folder}; 'fer-tui runs' lists them"),
        ("not-a-run", "no such run in {folder}; 'fer-tui runs' lists them"),
        ("20260103-notes.txt", "no such run in {folder}; 'fer-tui runs' lists them"),
        ("", "no such run in {folder}; 'fer-tui runs' lists them"),
        ("x" * 300, "no such run in {folder}; 'fer-tui runs' lists them"),
        ("a\0b", "no such run in {folder}; 'fer-tui runs' lists them"),
    ],
)
def test_a_name_that_means_no_run_or_several_is_told(folder: Path, elsewhere: Path, name: str, told: str):
    with pytest.raises(RunError) as refusal:
        find_run(name, folder)
    assert str(refusal.value) == f"{name}: {told.format(folder=folder)}"


@pytest.mark.parametrize("name", ["latest", "2026"])
def test_without_runs_it_is_told_how_to_start_one(tmp_path: Path, elsewhere: Path, name: str):
    remedy = "start one with 'fer-tui train', or set runs to another folder"
    told = f"{name}: there are no runs in {tmp_path / 'runs'}; {remedy}"
    with pytest.raises(RunError, match=f"^{re.escape(told)}$"):
        find_run(name, tmp_path / "runs")


@pytest.mark.parametrize(
    ("option", "variable", "expected"),
    [("a", "b", "a"), (None, "b", "b"), (None, "", "runs"), (None, None, "runs"), ("a", None, "a")],
)
def test_the_folder_of_runs(monkeypatch: pytest.MonkeyPatch, option: str | None, variable: str | None, expected: str):
    monkeypatch.delenv("FER_TUI_RUNS", raising=False)
    if variable is not None:
        monkeypatch.setenv("FER_TUI_RUNS", variable)
    assert runs_folder(Path(option) if option else None) == Path(expected)


def test_json_files_hold_objects_or_nothing(tmp_path: Path):
    path = tmp_path / "a.json"
    for content, expected in (('{"a": 1}', {"a": 1}), ("[1]", {}), ("5", {}), ("{", {})):
        path.write_text(content)
        assert read_json(path) == expected


# Runs that can't be read


@pytest.mark.parametrize("name", ["config.json", "status.json", "environment.json", "evaluation.json"])
@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_damaged_file_is_named_in_the_message(write_run: WriteRun, name: str, content: str):
    run = write_run(status={"message": "as it ended"})
    (run / name).write_text(content)
    assert list_runs(run.parent) == [run]
    assert read_run(run).problem == f"{name}: the file is damaged"
    assert read_run(run).message == f"can't be read: {name}: the file is damaged"


def test_a_missing_file_is_no_problem(write_run: WriteRun):
    run = write_run(status={"message": "as it ended"})
    assert (read_run(run).problem, read_run(run).message) == ("", "as it ended")


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder in which this process is not root."""
    folder = Path(tempfile.mkdtemp(prefix="fer-tui-unread-"))
    folder.chmod(0o755)
    before = os.geteuid()
    try:
        yield folder
    finally:
        os.seteuid(before)
        subprocess.run(["chmod", "-R", "u+rwX", folder], check=True)
        shutil.rmtree(folder)


def as_somebody() -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)


@pytest.mark.parametrize("name", ["", "config.json", "status.json", "history.csv"])
def test_a_run_that_may_not_be_read_is_told(write_run: WriteRun, unprivileged: Path, name: str):
    run = shutil.copytree(write_run(history=[row(1)]), unprivileged / "runs" / "one")
    (run / name).chmod(0)
    as_somebody()
    assert list_runs(run.parent) == [run]
    assert read_run(run).problem == f"{name or 'config.json'}: Permission denied"


def test_a_folder_of_the_system_is_no_run(unprivileged: Path):
    for name in ("lost+found", ".snapshot"):
        (unprivileged / name).mkdir(mode=0)
    as_somebody()
    assert list_runs(unprivileged) == []
