"""The driver with a fake Ray; tests/cluster uses the real one."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import RunError
from core.jobs.cluster.cluster_queue import ClusterQueue, RunResources
from core.jobs.cluster.driver import Driver
from core.jobs.cluster.task import ChildLostError, UnchangedError
from core.runs.reader import read_run
from core.runs.writer import enqueue
from core.system.processes import process_start_id, this_process


class RayError(Exception):
    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Ray:
    """A fake Ray. Its tasks are runs, and `answers` has the result of each."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []
        self.resources = {"CPU": 2.0}

    def options(self, **options: Any) -> Ray:
        self.asked.append(options)
        return self

    def remote(self, run: str, cpus: float) -> str:
        return run

    def get(self, task: str) -> Any:
        answer = self.answers[task]
        if isinstance(answer, Exception):
            raise RayError(answer)
        return answer

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": self.resources}, {"Alive": False, "Resources": {"CPU": 64}}]


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    fake = Ray()
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.exceptions", SimpleNamespace(RayError=RayError))
    return fake


@pytest.fixture
def queue(tmp_path: Path) -> ClusterQueue:
    return ClusterQueue(tmp_path / "runs")


@pytest.fixture
def driver(queue: ClusterQueue, ray: Ray) -> Any:
    """A driver that is connected to a cluster; `said` has its status updates."""
    said: list[str] = []

    def update(*, message: str) -> None:
        said.append(message)

    writer: Any = SimpleNamespace(update=update, is_owner=lambda: True)
    made: Any = Driver(queue, threading.Event(), writer)
    made._train, made.said = ray, said
    return made


@pytest.fixture
def submit(driver: Any, queue: ClusterQueue, write_run: Callable[..., Path]) -> Callable[..., Path]:
    """Add a run to the queue and submit it to Ray."""

    def submit(name: str = "1-a", state: str = "stopped", needs: RunResources | None = None) -> Path:
        run = write_run(name, status={"state": state})
        queue.add([run], needs or RunResources())
        driver._submit()
        return run

    return submit


def set_state(run: Path, state: str) -> None:
    (run / "status.json").write_text(json.dumps({"state": state}))


def test_a_run_is_given_to_ray_once_with_what_it_takes(driver: Any, submit: Callable[..., Path], ray: Ray):
    run = submit(needs=RunResources(2, None))
    driver._submit()
    assert read_run(run).state == "queued"
    (asked,) = ray.asked
    assert (asked["num_cpus"], asked["num_gpus"], asked["retry_exceptions"]) == (2, 0, [ChildLostError])
    assert driver.said == ["1 machines, 2 CPUs, 0 GPUs"]


def test_a_gpu_is_taken_where_there_is_one(submit: Callable[..., Path], ray: Ray):
    ray.resources = {"CPU": 2.0, "GPU": 4.0}
    submit()
    submit("2-b", needs=RunResources(1, 0.5))
    assert [asked["num_gpus"] for asked in ray.asked] == [1, 0.5]


def test_what_no_machine_has_is_told(driver: Any, submit: Callable[..., Path]):
    submit(needs=RunResources(16, 0))
    assert driver.said == [
        "1 machines, 2 CPUs, 0 GPUs; a run waits for a machine with 16 CPUs and 0 GPUs",
    ]


@pytest.mark.parametrize("state", ["completed", "failed", "diverged"])
def test_what_came_to_its_end_is_not_begun_again(
    submit: Callable[..., Path], queue: ClusterQueue, ray: Ray, state: str
):
    run = submit(state=state)
    assert read_run(run).state == state
    assert queue.unfinished() == {} and ray.asked == []


def test_a_stop_request_for_a_waiting_run_holds(
    driver: Any, queue: ClusterQueue, write_run: Callable[..., Path], ray: Ray
):
    run = write_run("1-a")
    enqueue(run)
    (run / "stop").touch()
    queue.add([run], RunResources())
    driver._submit()
    driver._refresh_runs()
    assert (read_run(run).state, read_run(run).message) == ("stopped", "stopped before it started")
    assert queue.unfinished() == {}


def test_a_run_that_cannot_be_written_waits_and_others_do_not(
    driver: Any,
    queue: ClusterQueue,
    submit: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    def fail(run: Path) -> None:
        if run.name == "1-a":
            raise OSError(30, "Read-only file system")
        enqueue(run)

    monkeypatch.setattr("core.jobs.cluster.driver.enqueue", fail)
    bad, good = submit(), submit("2-b")
    assert list(driver._tasks.values()) == [good]
    assert list(queue.unfinished()) == [bad, good]
    # The driver tries every second, but logs the error only once.
    driver._submit()
    assert caplog.text.count("Read-only file system") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ChildLostError("killed by signal 9"),
            "killed by signal 9; failed 6 times; a common cause is a lack of memory",
        ),
        (RunError("x: is missing on b"), "x: is missing on b"),
        (ValueError("no such resource"), "Ray: no such resource; resume the run with 'fer-tui resume'"),
    ],
)
def test_what_ray_gives_up_has_failed(
    driver: Any, submit: Callable[..., Path], queue: ClusterQueue, ray: Ray, error: Exception, said: str
):
    run = submit()
    ray.answers[str(run)] = error
    driver._record_result(run, str(run))
    assert (read_run(run).state, read_run(run).message) == ("failed", said)
    assert queue.unfinished() == {}


@pytest.mark.parametrize("state", ["stopped", "interrupted"])
def test_a_run_that_could_not_be_resumed_is_as_it_was_and_leaves_the_queue(
    driver: Any, submit: Callable[..., Path], queue: ClusterQueue, ray: Ray, state: str
):
    run = submit(state=state)
    (run / "status.json").write_text(json.dumps({"state": "running" if state == "interrupted" else state}))
    before = (run / "status.json").read_bytes()
    ray.answers[str(run)] = UnchangedError("x: the data set is missing")
    driver._record_result(run, str(run))
    assert (run / "status.json").read_bytes() == before
    assert queue.unfinished() == {}


def test_a_resumed_run_that_ray_gives_up_is_as_it_was(
    driver: Any, submit: Callable[..., Path], queue: ClusterQueue, ray: Ray, write_run: Callable[..., Path]
):
    run = write_run("3-c", status={"state": "stopped", "message": "after epoch 1"}, history=[{"epoch": 1}])
    queue.add([run], RunResources())
    driver._submit()
    assert read_run(run).state == "queued"
    ray.answers[str(run)] = ChildLostError("killed by signal 9")
    driver._record_result(run, str(run))
    assert (read_run(run).state, read_run(run).message) == ("stopped", "after epoch 1")
    assert queue.unfinished() == {}


def test_a_run_that_somebody_else_works_on_stays_in_the_queue(
    driver: Any, submit: Callable[..., Path], queue: ClusterQueue, ray: Ray, monkeypatch: pytest.MonkeyPatch
):
    def refuse(run: Path, state: str, message: str) -> None:
        raise RunError("is working on it")

    run = submit()
    monkeypatch.setattr("core.jobs.cluster.driver.set_final_state", refuse)
    ray.answers[str(run)] = RunError("x")
    driver._record_result(run, str(run))
    assert list(queue.unfinished()) == [run]


@pytest.mark.parametrize(("stops", "is_left"), [(True, True), (False, False)])
def test_a_stopped_run_is_left_where_all_stop(
    driver: Any, submit: Callable[..., Path], queue: ClusterQueue, ray: Ray, stops: bool, is_left: bool
):
    run = submit()
    set_state(run, "stopped")
    ray.answers[str(run)] = "stopped"
    if stops:
        driver._stop.set()
    driver._record_result(run, str(run))
    assert bool(queue.unfinished()) is is_left


def test_a_run_whose_machine_is_lost_waits_again(driver: Any, submit: Callable[..., Path]):
    run = submit()
    (run / "status.json").write_text('{"state": "running", "pid": 999999999, "host": "gone", "heartbeat": 1}')
    assert read_run(run).state == "interrupted"
    driver._refresh_runs()
    assert read_run(run).state == "queued"


def test_the_heart_of_a_waiting_run_beats_for_other_hosts(
    driver: Any, submit: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    run = submit()
    began = read_run(run).status["heartbeat"] or 0.0
    driver._refresh_runs()
    assert read_run(run).status["heartbeat"] == began
    monkeypatch.setattr("core.jobs.cluster.driver.BEAT_INTERVAL", 0)
    driver._refresh_runs()
    assert (read_run(run).status["heartbeat"] or 0.0) > began


def test_who_lost_the_queue_touches_no_run(driver: Any, submit: Callable[..., Path]):
    run = submit()
    driver._writer.is_owner = lambda: False
    driver._stop.set()
    driver.work()
    assert read_run(run).state == "queued"
    assert not (run / "stop").exists()


def test_a_run_stopped_alone_leaves_the_queue_before_ray_has_done_with_it(
    driver: Any, submit: Callable[..., Path], queue: ClusterQueue
):
    run = submit()
    set_state(run, "stopped")
    driver._refresh_runs()
    assert queue.unfinished() == {}
    assert list(driver._tasks.values()) == [run]


def test_all_runs_are_stopped_waiting_ones_at_once(driver: Any, submit: Callable[..., Path]):
    waits, works, lost, done = (submit(name) for name in ("1-a", "2-b", "3-c", "4-d"))
    told = {**this_process(), "pid": os.getppid(), "birth": process_start_id(os.getppid()), "heartbeat": time.time()}
    (works / "status.json").write_text(json.dumps({"state": "running", **told}))
    (lost / "status.json").write_text('{"state": "running", "pid": 999999999, "host": "gone", "heartbeat": 1}')
    set_state(done, "completed")
    driver._stop.set()
    driver._refresh_runs()
    assert [read_run(run).state for run in (waits, works, lost, done)] == ["stopped", "running", "stopped", "completed"]
    assert [(run / "stop").exists() for run in (waits, works, lost, done)] == [False, True, False, False]
    assert "resume it with 'fer-tui cluster start'" in read_run(waits).message


def test_a_run_that_only_looks_lost_is_asked_to_stop(
    driver: Any, submit: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    def refuse(run: Path, state: str, message: str) -> None:
        raise RunError("is working on it")

    run = submit()
    (run / "status.json").write_text('{"state": "running", "pid": 1, "host": "elsewhere", "heartbeat": 1}')
    monkeypatch.setattr("core.jobs.cluster.driver.set_final_state", refuse)
    driver._stop.set()
    driver._refresh_runs()
    assert (run / "stop").exists()
