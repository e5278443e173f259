from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from core.config.training_config import resolve
from core.errors import RunError
from core.runs import lock as run_lock
from core.runs import writer as run_writer
from core.runs.lock import RunLock
from core.runs.reader import read_run
from core.runs.writer import RunWriter, create_run, enqueue
from core.system.processes import this_process


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return create_run(resolve({"data": "/faces", "model": "compact", "epochs": 3}), tmp_path / "runs")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time that the lock watches an owner on another host."""
    monkeypatch.setattr(run_lock, "WATCH", 0.3)
    monkeypatch.setattr(run_lock, "PAUSE", 0.05)


def writer(run: Path) -> RunWriter:
    return RunWriter(run, threading.Event())


def take(run: Path) -> None:
    with writer(run):
        assert json.loads((run / "lock").read_text())["pid"] == os.getpid()


def refused(run: Path) -> str:
    before = (run / "lock").read_bytes()
    with pytest.raises(RunError) as refusal:
        writer(run).__enter__()
    assert (run / "lock").read_bytes() == before
    return str(refusal.value)


def lock(run: Path, **owner: Any) -> None:
    (run / "lock").write_text(json.dumps({**this_process(), "heartbeat": time.time(), **owner}))


def set_status(run: Path, **changed: Any) -> None:
    (run / "status.json").write_text(json.dumps({**json.loads((run / "status.json").read_text("utf-8")), **changed}))


def test_a_run_has_one_writer_at_a_time(run: Path):
    with writer(run):
        assert refused(run) == (
            f"{run.name}: process {os.getpid()} on {socket.gethostname()} is working on it; "
            f"wait for it or 'fer-tui stop {run.name}'"
        )
    take(run)


def test_another_process_holds_its_run_until_it_dies(run: Path):
    code = (
        "import sys, threading; from pathlib import Path; from core.runs.writer import RunWriter\n"
        "with RunWriter(Path(sys.argv[1]), threading.Event()):\n"
        "    print('taken', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"taken\n"
        try:
            assert read_run(run).state == "running"
            assert refused(run).startswith(f"{run.name}: process {process.pid} on ")
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert (run / "lock").exists()
    assert read_run(run).state == "interrupted"
    take(run)


@pytest.mark.parametrize(
    "owner",
    [
        {"pid": 0},
        {"pid": "?"},
        {"birth": "x 1"},
        {"birth": None, "started": 1.0},
        {"host": "elsewhere", "heartbeat": 1.0},
    ],
    ids=["gone", "damaged", "pid used again", "pid used again, older run", "silent elsewhere"],
)
def test_the_lock_of_a_process_that_is_gone_is_taken_over(run: Path, owner: dict[str, Any]):
    set_status(run, heartbeat=1.0)
    lock(run, **owner)
    take(run)
    assert not (run / "lock").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}"])
def test_a_damaged_lock_is_taken_over(run: Path, content: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_lock.time, "sleep", lambda seconds: None)
    (run / "lock").write_text(content)
    take(run)


def test_a_lock_that_is_just_being_written_is_held(run: Path, monkeypatch: pytest.MonkeyPatch):
    (run / "lock").touch()
    monkeypatch.setattr(run_lock.time, "sleep", lambda seconds: lock(run))
    assert f"process {os.getpid()} on " in _refusal(run)


def _refusal(run: Path) -> str:
    with pytest.raises(RunError) as refusal:
        writer(run).__enter__()
    return str(refusal.value)


@pytest.mark.parametrize(("lock_age", "status_age"), [(0, 3600), (3600, 0), (3600, 30)])
def test_on_another_host_the_later_heartbeat_counts(run: Path, lock_age: int, status_age: int):
    set_status(run, host="elsewhere", heartbeat=time.time() - status_age)
    lock(run, host="elsewhere", heartbeat=time.time() - lock_age)
    assert "on elsewhere is working on it" in refused(run)


@pytest.mark.parametrize("content", [None, "", "{", "[]"])
def test_a_status_that_cannot_be_read_gives_no_lock_away(run: Path, content: str | None):
    path = run / "status.json"
    path.unlink() if content is None else path.write_text(content)
    lock(run)
    assert "is working on it" in refused(run)


def test_a_run_that_is_gone_is_told(tmp_path: Path):
    with pytest.raises(RunError, match=f"^{tmp_path}/gone: No such file or directory; it must be writable$"):
        writer(tmp_path / "gone").__enter__()


def test_another_host_with_a_wrong_clock_is_seen_to_be_alive(run: Path):
    set_status(run, host="elsewhere", heartbeat=time.time() - 7200)
    lock(run, host="elsewhere", heartbeat=time.time() - 7300)
    beating = threading.Timer(0.1, set_status, (run,), {"heartbeat": time.time() - 7195})
    beating.start()
    assert "on elsewhere is working on it" in refused(run)
    beating.join()


RACER = """
import sys, time
from pathlib import Path
from core.errors import RunError
from core.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    lock.acquire()
except RunError:
    print("refused", flush=True)
else:
    print("taken", flush=True)
    sys.stdin.readline()
    print(lock.is_held(), flush=True)
"""


def test_of_many_that_want_a_dead_ones_run_one_gets_it(run: Path):
    lock(run, pid=0)
    told = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers: list[Any] = [subprocess.Popen([sys.executable, "-c", RACER, str(run)], **told) for _ in range(6)]
    try:
        assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 6
        for racer in racers:
            racer.stdin.write("\n")
            racer.stdin.flush()
        answers = [racer.stdout.readline().strip() for racer in racers]
        assert sorted(answers) == ["refused"] * 5 + ["taken"]
        winner = racers[answers.index("taken")]
        assert json.loads((run / "lock").read_text())["pid"] == winner.pid
        assert winner.communicate("\n")[0] == "True\n"
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    assert not list(run.glob("lock.*"))


def test_a_claim_that_its_maker_left_is_taken_away(run: Path, monkeypatch: pytest.MonkeyPatch):
    lock(run, pid=0)

    def dies(path: Path, content: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_lock.files, "write_bytes", dies)
        patch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
        with pytest.raises(KeyboardInterrupt):
            RunLock(run).acquire()
    assert list(run.glob("lock.*"))
    take(run)
    assert not list(run.glob("lock*"))


def test_a_run_that_was_taken_over_is_written_no_more(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_writer, "STATUS_INTERVAL", 0.01)
    stop = threading.Event()
    with RunWriter(run, stop) as writer:
        lock(run, pid=1)
        theirs = (run / "lock").read_bytes()
        set_status(run, message="theirs")
        assert stop.wait(90)
        assert writer.is_lost
        writer.update(state="completed", message="ours")
    assert read_run(run).message == "theirs"
    assert (run / "lock").read_bytes() == theirs


def test_a_lock_that_was_removed_by_hand_is_taken_again(run: Path):
    stop = threading.Event()
    with RunWriter(run, stop) as writer:
        (run / "lock").unlink()
        assert writer.is_owner()
        assert json.loads((run / "lock").read_text())["pid"] == os.getpid()
    assert not stop.is_set()
    assert not (run / "lock").exists()


def test_a_run_that_was_deleted_is_ours_no_more(run: Path):
    stop = threading.Event()
    with RunWriter(run, stop) as writer:
        for path in run.iterdir():
            path.unlink()
        run.rmdir()
        assert not writer.is_owner()
    assert stop.is_set()
    assert not run.exists()


def test_what_a_killed_writer_left_is_swept(run: Path):
    (run / ".0123abcd-status.json").write_text("{")
    (run / ".notes-of-mine").write_text("keep")
    take(run)
    assert {path.name for path in run.iterdir() if path.name.startswith(".")} == {".notes-of-mine"}


def test_who_waits_for_a_run_is_no_sign_of_its_owners_life(run: Path):
    lock(run, host="elsewhere", heartbeat=time.time() - 3600)
    enqueue(run)
    RunLock(run).acquire()
