from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from core.run_queue import NICENESS, RunQueue, give_way


@pytest.mark.parametrize(("state", "is_busy"), [("running", True), ("completed", False), ("failed", False)])
def test_a_run_that_has_ended_keeps_no_queue_busy(write_run: Callable[..., Path], state: str, is_busy: bool):
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "started": psutil.Process().create_time()}
    queue = RunQueue()
    # Its process may take seconds to end after it has written the state.
    queue.current = write_run(status={"state": state, **owner})
    assert queue.is_busy is is_busy


def test_a_run_that_waits_keeps_the_queue_busy(write_run: Callable[..., Path]):
    assert RunQueue([write_run(status={"state": "queued"})]).is_busy
    assert not RunQueue().is_busy


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is a process' elsewhere")
def test_what_a_thread_starts_after_giving_way_gives_way_too():
    found: list[int] = []

    def work() -> None:
        give_way(threading.get_native_id())
        later = threading.Thread(target=lambda: found.append(os.getpriority(os.PRIO_PROCESS, 0)))
        later.start()
        later.join()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [NICENESS]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < NICENESS
