"""Tests of the cluster modules without Ray: the queue, the resources, the token and a task's child process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import ConfigError, FerError, RunError
from core.jobs.cluster import task as cluster_task
from core.jobs.cluster.access import check_cluster, find_token
from core.jobs.cluster.cluster_queue import ClusterQueue, RunResources, check_fits_here, check_resources
from core.jobs.cluster.task import ChildLostError, UnchangedError, child_environment, run_in_child
from core.jobs.run_queue import REFUSED
from core.runs.reader import read_run
from core.system import hardware as load
from core.system.files import write_json
from core.system.processes import start_detached, this_process


def test_a_queue_keeps_what_is_unfinished(tmp_path: Path, write_run: Callable[..., Path]):
    queue = ClusterQueue(tmp_path / "runs")
    later, sooner = write_run("2-b"), write_run("1-a")
    assert queue.unfinished() == {}
    queue.add([later], RunResources(2, 0.5))
    queue.add([sooner], RunResources())
    assert list(queue.unfinished().items()) == [(sooner, RunResources(1.0, None)), (later, RunResources(2.0, 0.5))]
    assert ClusterQueue(Path(os.path.relpath(tmp_path / "runs"))).unfinished() == queue.unfinished()
    queue.remove(sooner)
    queue.remove(sooner)
    assert list(queue.unfinished()) == [later]
    shutil.rmtree(later)
    assert queue.unfinished() == {}


def test_a_damaged_entry_counts_as_one_that_says_nothing(tmp_path: Path, write_run: Callable[..., Path]):
    queue = ClusterQueue(tmp_path / "runs")
    run = write_run("1-a")
    queue.add([run], RunResources(2, 2))
    for content in ("", "[]", '{"cpus": "many", "gpus": []}'):
        (queue.folder / "queue" / "1-a.json").write_text(content)
        assert queue.unfinished() == {run: RunResources()}


def test_a_queue_that_cannot_be_written_is_named(tmp_path: Path, write_run: Callable[..., Path]):
    queue = ClusterQueue(tmp_path / "runs")
    queue.folder.write_text("in the way")
    with pytest.raises(RunError, match=r"runs\.cluster: .*make the folder writable"):
        queue.add([write_run("1-a")], RunResources())


def test_without_a_driver_there_is_nothing_to_stop(tmp_path: Path):
    queue = ClusterQueue(tmp_path / "runs")
    assert not queue.has_driver()
    assert queue.address is None
    with pytest.raises(RunError, match="nothing is running for"):
        queue.stop()


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        (RunResources(-1), "cpus_per_run: must be 0 or more (got -1)"),
        (RunResources(float("nan")), "cpus_per_run: must be 0 or more (got nan)"),
        (RunResources(1, float("inf")), "gpus_per_run: must be 0 or more (got inf)"),
        (RunResources(1, 0.00001), "gpus_per_run: a fraction must be 0.0001 or more (got 1e-05)"),
        (RunResources(1, 1.5), "gpus_per_run: above 1 it must be an integer (got 1.5)"),
    ],
)
def test_numbers_that_ray_cannot_take(needs: RunResources, said: str):
    with pytest.raises(ConfigError) as error:
        check_resources(needs)
    assert str(error.value) == said


def test_numbers_that_ray_can_take():
    for needs in (RunResources(), RunResources(0, 0), RunResources(1.5, 0.25), RunResources(4, 2)):
        check_resources(needs)


def test_what_this_machine_does_not_have(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    check_fits_here(RunResources(4, None))
    with pytest.raises(ConfigError, match=r"cpus_per_run: this machine has 4 \(got 5\)"):
        check_fits_here(RunResources(5))
    monkeypatch.setattr(load, "_gpus", lambda: ())
    with pytest.raises(ConfigError, match=r"gpus_per_run: this machine has no GPU \(got 0.5\)"):
        check_fits_here(RunResources(1, 0.5))
    monkeypatch.setattr(load, "_gpus", lambda: (object(), object()))
    check_fits_here(RunResources(1, 2))
    with pytest.raises(ConfigError, match=r"gpus_per_run: this machine has 2 \(got 3\)"):
        check_fits_here(RunResources(1, 3))


def test_the_token_is_where_ray_looks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="export RAY_AUTH_MODE=token"):
        find_token({"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "secret"})
    with pytest.raises(
        ConfigError, match=r"no token in .*\.ray/auth_token; create one with 'ray get-auth-token --generate'"
    ):
        find_token({"RAY_AUTH_MODE": "token"})
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("at home\n")
    assert find_token({"RAY_AUTH_MODE": "token"}) == "at home"
    (tmp_path / "named").write_bytes(b"\xff")
    named = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "named")}
    with pytest.raises(ConfigError, match=r"no token in .*named"):
        find_token(named)
    (tmp_path / "named").write_text("named")
    assert find_token(named) == "named"
    assert find_token({**named, "RAY_AUTH_TOKEN": "told"}) == "told"


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.system.extras.find_spec", lambda name: None)
    with pytest.raises(FerError, match=r"pip install 'fer-tui\[cluster\]'"):
        find_token({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "told"})


@pytest.mark.parametrize("address", ["", "host", "host:", ":6379", "host:port", "host:0", "host:65536"])
def test_an_address_is_host_and_port(address: str):
    with pytest.raises(ConfigError, match=r"^address: must be HOST:PORT, such as 10\.0\.0\.1:6379"):
        check_cluster(address, "token")


def test_an_address_where_nothing_listens():
    with pytest.raises(ConfigError, match=r"^address: no cluster answers at 127\.0\.0\.1:1; start one with 'ray"):
        check_cluster("127.0.0.1:1", "token")


def test_a_child_has_its_share_of_the_machine(monkeypatch: pytest.MonkeyPatch):
    ray = pytest.importorskip("ray", reason="Ray is missing: pip install 'fer-tui[cluster]'")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(ray, "get_gpu_ids", lambda: [])
    whole = child_environment(0)
    assert "OMP_NUM_THREADS" not in whole and "TF_NUM_INTRAOP_THREADS" not in whole
    assert whole["CUDA_VISIBLE_DEVICES"] == "-1", "GPUs of other tasks are visible"
    monkeypatch.setattr(ray, "get_gpu_ids", lambda: [1])
    part = child_environment(1.5)
    assert part["CUDA_VISIBLE_DEVICES"] == "0,1", "Ray sets this variable"
    assert part["OMP_NUM_THREADS"] == part["TF_NUM_INTRAOP_THREADS"] == part["TF_NUM_INTEROP_THREADS"] == "2"


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Path]]:
    """Replace a task's training with a piece of Python code; return the runs for which the code was started."""
    begun: list[Path] = []

    def be(code: str) -> list[Path]:
        def start(*told: object, **more: object) -> subprocess.Popen[bytes]:
            run = Path(str(told[1][-1]))  # pyright: ignore
            begun.append(run)
            code_of = f"import os, sys, signal, pathlib; status = pathlib.Path({str(run / 'status.json')!r}); {code}"
            return subprocess.Popen(["python3", "-c", code_of], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        monkeypatch.setattr(cluster_task, "start_detached", start)
        monkeypatch.setattr(cluster_task, "child_environment", lambda cpus: {})
        monkeypatch.setattr(cluster_task, "PAUSE", 0.01)
        return begun

    return be


def test_a_task_returns_how_its_run_ended(write_run: Callable[..., Path], child: Callable[[str], list[Path]]):
    begun = child("""status.write_text('{"state": "failed"}'); sys.exit(1)""")
    run = write_run(status={"state": "queued"})
    assert run_in_child(str(run), 1) == "failed"
    assert run_in_child(str(run), 1) == "failed", "an ordinary failure is retried"
    assert begun == [run]


def test_a_task_whose_child_was_killed_says_so(write_run: Callable[..., Path], child: Callable[[str], list[Path]]):
    child("os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(ChildLostError, match="killed by signal 9"):
        run_in_child(str(write_run(status={"state": "queued"})), 1)


def test_a_task_whose_child_never_began(write_run: Callable[..., Path], child: Callable[[str], list[Path]]):
    child("sys.exit(3)")
    with pytest.raises(RunError, match=r"exited with status 3 at the start; see log\.txt"):
        run_in_child(str(write_run(status={"state": "queued"})), 1)


@pytest.mark.parametrize("state", ["stopped", "interrupted"])
def test_a_task_whose_run_is_as_it_was_says_why(
    write_run: Callable[..., Path], child: Callable[[str], list[Path]], state: str
):
    stored = "running" if state == "interrupted" else state
    child(f"""status.write_text('{{"state": "{stored}"}}'); print("one: data are missing"); sys.exit(3)""")
    with pytest.raises(UnchangedError, match=r"^one: data are missing$"):
        run_in_child(str(write_run(status={"state": "queued"})), 1)


def test_a_task_waits_for_who_is_at_work(write_run: Callable[..., Path], child: Callable[[str], list[Path]]):
    begun = child("pass")
    run = write_run(status={"state": "running", **this_process(), "heartbeat": time.time()})
    said: list[str] = []
    task = threading.Thread(target=lambda: said.append(run_in_child(str(run), 1)))
    task.start()
    time.sleep(0.1)
    assert task.is_alive()
    # The task may read the file at any moment, as a run's own writer expects.
    write_json(run / "status.json", {"state": "completed"})
    task.join(10)
    assert said == ["completed"]
    assert begun == []


def test_a_run_that_this_machine_does_not_see(tmp_path: Path):
    with pytest.raises(RunError, match="every machine needs RUNS under the same path"):
        run_in_child(str(tmp_path / "elsewhere"), 1)


def test_a_machine_that_does_not_see_the_folder_yet_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            (tmp_path / "mounted").mkdir()

    monkeypatch.setattr(time, "sleep", wait)
    with pytest.raises(RunError, match="every machine needs RUNS"):
        run_in_child(str(tmp_path / "mounted" / "run"), 1)
    assert len(waited) == 3


def test_a_directory_that_cannot_be_written_just_now_is_tried_again(
    write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    def fail(path: Path) -> None:
        raise OSError(116, "Stale file handle", str(path))

    monkeypatch.setattr(cluster_task, "enqueue", fail)
    with pytest.raises(ChildLostError, match="Stale file handle"):
        run_in_child(str(write_run(status={"state": "queued"})), 1)


def test_a_worker_dies_with_its_lifeline(write_run: Callable[..., Path]):
    run = write_run(status={"state": "queued"})
    worker = start_detached("core.jobs.worker", ["--lifeline", str(run)], run / "log.txt", stdin=subprocess.PIPE)
    assert worker.stdin
    worker.stdin.close()
    assert worker.wait(60) == -9
    assert read_run(run).state in ("interrupted", "queued")


def test_a_signal_to_a_worker_with_a_lifeline_is_no_stop(write_run: Callable[..., Path]):
    run = write_run(status={"state": "queued"})
    code = "import signal; from core.jobs import run_queue, worker; from pathlib import Path;"
    code += "run_queue.RunQueue.work = lambda queue: signal.raise_signal(signal.SIGTERM);"
    code += f"worker.main([Path({str(run)!r})], hears_signals=False)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -15
    assert read_run(run).state == "interrupted"


def test_a_worker_with_a_lifeline_ends_as_others_do(write_run: Callable[..., Path]):
    run = write_run(status={"state": "queued"}, config={"epochs": "damaged"})
    worker = start_detached("core.jobs.worker", ["--lifeline", str(run)], run / "log.txt", stdin=subprocess.PIPE)
    assert worker.wait(60) == REFUSED, (run / "log.txt").read_text()
