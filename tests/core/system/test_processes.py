from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from core.system import processes
from core.system.processes import is_alive, process_start_id, same_process, this_process

NOW = 1_800_000_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(processes.time, "time", lambda: NOW)
    return NOW


@pytest.mark.parametrize("pid", [None, 0, -1, 10**30])
def test_what_is_no_pid_is_no_process(pid: int | None):
    assert not same_process(pid, None)


def test_the_start_time_of_a_process_may_be_missing_or_a_little_off():
    started = psutil.Process().create_time()
    assert same_process(os.getpid(), None)
    assert same_process(os.getpid(), started + 1)
    assert not same_process(os.getpid(), started + 3)
    assert not same_process(os.getpid(), 0)


def test_a_process_that_has_ended_and_was_not_waited_for_is_gone():
    process = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.pid_exists(process.pid)
        assert not same_process(process.pid, None)
    finally:
        process.wait()


def test_nobody_is_not_alive(clock: float):
    assert not is_alive({})
    assert is_alive({"heartbeat": clock})


def test_a_clock_that_jumps_makes_no_process_another(monkeypatch: pytest.MonkeyPatch):
    me = this_process()
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: me["started"] + 3600)
    assert is_alive({**me})
    assert not is_alive({**me, "birth": None})


def test_a_pid_that_is_used_again_has_another_birth():
    process = subprocess.Popen(["sleep", "60"])
    try:
        own = process_start_id(os.getpid())
        assert own
        assert own == process_start_id(os.getpid())
        assert is_alive({"pid": process.pid, "host": socket.gethostname(), "birth": process_start_id(process.pid)})
        assert not is_alive({"pid": process.pid, "host": socket.gethostname(), "birth": own})
    finally:
        process.kill()
        process.wait()
    assert process_start_id(process.pid) is None


def test_a_process_whose_name_is_odd_has_a_birth(tmp_path: Path):
    program = tmp_path / "a) b (c"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    try:
        assert int(str(process_start_id(process.pid)).split()[1]) > 0
    finally:
        process.kill()
        process.wait()
