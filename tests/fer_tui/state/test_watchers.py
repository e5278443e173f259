from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fer_tui.state.watchers import MAX_LOG_BYTES, LogTail, RunWatcher


def test_an_unchanged_run_keeps_its_snapshot(
    write_run: Callable[..., Path], epochs: Callable[[int], list[dict[str, float]]], tmp_path: Path
):
    write_run("20260101-000000-000-compact-aaaa", history=epochs(2))
    watcher = RunWatcher(tmp_path / "runs")
    (before,) = watcher.poll()
    assert watcher.poll()[0] is before


def test_a_live_run_with_unknown_figures_keeps_its_snapshot(
    write_run: Callable[..., Path],
    alive: dict[str, Any],
    epochs: Callable[[int], list[dict[str, float]]],
    tmp_path: Path,
):
    rows = [row | {"val_precision": float("nan")} for row in epochs(2)]
    write_run(status=alive, history=rows)
    watcher = RunWatcher(tmp_path / "runs")
    assert watcher.poll() == watcher.poll()


def test_a_dead_process_is_seen_without_a_file_changing(
    write_run: Callable[..., Path], alive: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_run(status=alive)
    watcher = RunWatcher(tmp_path / "runs")
    assert watcher.poll()[0].state == "running"
    monkeypatch.setattr("core.system.processes.same_process", lambda *told: False)
    assert watcher.poll()[0].state == "interrupted"


def test_a_folder_that_is_not_there_yet(tmp_path: Path):
    assert RunWatcher(tmp_path / "later").poll() == ()


def test_a_log_is_read_by_whole_lines(tmp_path: Path):
    path = tmp_path / "log.txt"
    tail = LogTail(path)
    assert tail.read_new_lines() == []
    path.write_bytes(b"one\ntwo\nthr")
    assert tail.read_new_lines() == ["one", "two"]
    with path.open("ab") as file:
        file.write(b"ee\n\xff\n")
    assert tail.read_new_lines() == ["three", "\ufffd"]
    assert tail.read_new_lines() == []


def test_of_a_long_log_the_end_is_read(tmp_path: Path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(100_000)))
    lines = LogTail(path).read_new_lines()
    assert lines[-1] == "line 99999" and lines[0].startswith("line ")
    assert sum(len(line) + 1 for line in lines) <= MAX_LOG_BYTES


def test_a_log_that_was_written_anew_is_read_from_its_start(tmp_path: Path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"old line\nold line\n")
    tail = LogTail(path)
    tail.read_new_lines()
    path.write_bytes(b"new\n")
    os.utime(path)
    assert tail.read_new_lines() == ["new"]
