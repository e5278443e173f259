from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from core.config.training_config import resolve
from core.jobs import run_queue
from core.jobs.run_queue import RunQueue
from core.runs.reader import read_run
from core.runs.writer import create_run, request_stop
from core.system.processes import NICENESS, lower_priority


@pytest.mark.parametrize(("state", "is_busy"), [("running", True), ("completed", False), ("failed", False)])
def test_a_run_that_has_ended_keeps_no_queue_busy(write_run: Callable[..., Path], state: str, is_busy: bool):
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "started": psutil.Process().create_time()}
    queue = RunQueue()
    # The process may take seconds to end after it writes the state.
    queue.current = write_run(status={"state": state, **owner})
    assert queue.is_busy is is_busy


def test_a_run_that_waits_keeps_the_queue_busy(write_run: Callable[..., Path]):
    assert RunQueue([write_run(status={"state": "queued"})]).is_busy
    assert not RunQueue().is_busy


def test_a_waiting_run_has_a_heart_and_can_be_stopped_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_queue, "LISTEN_INTERVAL", 0.02)
    monkeypatch.setattr(run_queue, "BEAT_INTERVAL", 0.1)
    config = resolve({"data": tmp_path, "model": "compact"})
    first, second, third = (create_run(config, tmp_path / "runs") for _ in range(3))
    is_working, may_end = threading.Event(), threading.Event()
    trained: list[Path] = []

    def train(self: RunQueue, run: Path) -> None:
        trained.append(run)
        is_working.set()
        assert may_end.wait(90)

    monkeypatch.setattr(RunQueue, "_train_here", train)
    queue = RunQueue([first, second, third])
    worker = threading.Thread(target=queue.work)
    worker.start()
    assert is_working.wait(90)
    before = read_run(second).status["heartbeat"] or 0.0
    request_stop(third)
    wait_until(lambda: read_run(third).state == "stopped")
    wait_until(lambda: (read_run(second).status["heartbeat"] or 0.0) > before)
    assert read_run(second).state == "queued"
    may_end.set()
    worker.join(20)
    assert trained == [first, second]
    wait_until(lambda: not [one for one in threading.enumerate() if one.name == "waiting runs"])


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_killed_a_child_is_told_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = create_run(resolve({"data": tmp_path, "model": "compact"}), tmp_path / "runs")
    code = "import os, sys, threading; from pathlib import Path; from core.runs.writer import RunWriter\n"
    code += f"RunWriter(Path({str(run)!r}), threading.Event()).__enter__(); os.kill(os.getpid(), 9)"
    child = partial(subprocess.Popen, [sys.executable, "-c", code])
    monkeypatch.setattr(run_queue, "start_worker", lambda runs, stdout: child(stdout=stdout))
    RunQueue([run], in_children=True).work()
    snapshot = read_run(run)
    assert snapshot.state == "interrupted"
    assert snapshot.message == (
        "its process was ended by SIGKILL; log.txt has the rest; a common cause is a lack of memory"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is a process' elsewhere")
def test_what_a_thread_starts_after_giving_way_gives_way_too():
    found: list[int] = []

    def work() -> None:
        lower_priority(threading.get_native_id())
        later = threading.Thread(target=lambda: found.append(os.getpriority(os.PRIO_PROCESS, 0)))
        later.start()
        later.join()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [NICENESS]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < NICENESS
