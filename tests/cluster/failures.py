"""Runs on a cluster with failures: `python tests/cluster/failures.py [RUNS]`. The default is 8.

Two Ray nodes with one CPU each, in a private network, train runs on drawn faces with different seeds. They train once
without failures. They train again while the script, in the middle of a run, kills a child, a worker, a node and the
driver, and stops and restarts the queue. Each run must have the same results as the uninterrupted run with its seed.
Takes about five minutes on two idle cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from machines import ADDRESS, RayCluster, move_to_own_network, ray_cluster
from reference_run import SETTINGS, outcome

from core.config.command_line import train_command
from core.config.training_config import resolve
from core.data.demo import write_faces
from core.jobs.cluster.cluster_queue import ClusterQueue
from core.runs.reader import RunSnapshot, list_runs, read_run

# The epochs are long enough to be interrupted in the middle.
WISHES = {**SETTINGS, "width": 0.5, "patience": None}


def cli_output(*words: str, status: int = 0) -> str:
    """Run a command; return its stdout, or its stderr if `status` is not 0."""
    done = subprocess.run([sys.executable, "-P", "-m", "fer_tui", *words], capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{words}: status {done.returncode}: {done.stderr}"
    return done.stderr if status else done.stdout


class RecoveryCheck:
    """Trains the same runs in one folder without failures and in another with failures."""

    def __init__(self, place: Path, cluster: RayCluster, count: int) -> None:
        self.place = place
        self.cluster = cluster
        # Enough epochs that a run is in progress for every failure.
        self.epochs = max(6, 60 // count)
        write_faces(place / "faces", per_class=30, seed=0)
        line = train_command(resolve({**WISHES, "epochs": self.epochs, "data": place / "faces"})).split()[2:]
        seeds = ",".join(str(seed) for seed in range(1, count + 1))
        self.words = ("run", *line, "--seeds", seeds, "--address", ADDRESS)
        self.recovery_seconds: dict[str, float] = {}

    def undisturbed(self) -> dict[int, dict[str, Any]]:
        """Train without failures; return the results by seed."""
        began = time.monotonic()
        cli_output("cluster", *self.words, "--runs", str(self.place / "calm"), "--wait")
        self.recovery_seconds["nothing"] = time.monotonic() - began
        return outcomes(self.place / "calm", self.epochs)

    def disturbed(self) -> dict[int, dict[str, Any]]:
        """Train with every kind of failure; return the results by seed."""
        self.runs = self.place / "runs"
        began = time.monotonic()
        cli_output("cluster", *self.words, "--runs", str(self.runs))
        queue = ClusterQueue(self.runs)
        self._lose("a child", lambda run: _process(run).kill())
        self._lose("a worker", lambda run: _parent(run).kill())
        node = self.cluster.nodes[1]
        self._lose("a machine", lambda run: self.cluster.lose(node), of=node)
        self.cluster.add()
        self._lose(
            "the driver", lambda run: psutil.Process(queue.driver_snapshot().status["pid"]).kill(), then=self._start
        )
        self._lose("nothing: stopped and started", self._stop, then=self._start)
        while queue.has_driver():
            time.sleep(0.2)
        assert not queue.unfinished(), "finished runs are still in the queue"
        self.recovery_seconds["all of that"] = time.monotonic() - began
        return outcomes(self.runs, self.epochs)

    def _lose(
        self,
        what: str,
        lose: Callable[[RunSnapshot], Any],
        *,
        of: psutil.Process | None = None,
        then: Callable[[], Any] = lambda: None,
    ) -> None:
        """Cause a failure in the middle of a run, wait until the run resumes, and record how long that takes."""
        run = self._in_the_middle(of)
        done = len(run.history)
        lose(run)
        began = time.monotonic()
        then()
        while True:
            now = read_run(run.path)
            if now.state == "completed" or (now.state == "running" and now.status.get("pid") != run.status["pid"]):
                break
            time.sleep(0.05)
        self.recovery_seconds[what] = time.monotonic() - began
        # An epoch's row is written before its checkpoint, so that the last row can be lost.
        assert len(now.history) >= done - 1, f"{run.path}: only {len(now.history)} of {done} epochs are left"

    def _in_the_middle(self, node: psutil.Process | None) -> RunSnapshot:
        """Return a run in training, on this node if given, with at least one epoch and two or more to go."""
        while True:
            for path in list_runs(self.runs):
                run = read_run(path)
                if run.state == "running" and 1 <= len(run.history) < self.epochs - 1:
                    mine = node is None or _process(run) in node.children(recursive=True)
                    if mine:
                        return run
            time.sleep(0.01)

    def _start(self) -> None:
        cli_output("cluster", "start", "--runs", str(self.runs))

    def _stop(self, run: RunSnapshot) -> None:
        cli_output("cluster", "stop", "--runs", str(self.runs))
        told = json.loads(cli_output("cluster", "status", "--runs", str(self.runs), "--json"))
        assert told["driver"]["state"] == "stopped", (
            f"{told}\n{(ClusterQueue(self.runs).folder / 'log.txt').read_text()}"
        )
        assert {each["state"] for each in told["runs"]} == {"stopped"}, told
        assert run.name in [each["run"] for each in told["runs"]], told


def outcomes(runs: Path, epochs: int) -> dict[int, dict[str, Any]]:
    """Return the results of each run by its seed.

    Raises:
        AssertionError: a run did not complete, or its history repeats or lacks an epoch.
    """
    found = {}
    for path in list_runs(runs):
        run = read_run(path)
        assert run.state == "completed", f"{path}: {run.state}: {run.message}"
        assert [row["epoch"] for row in run.history] == list(range(1, epochs + 1)), f"{path}: {run.history}"
        found[run.config["seed"]] = outcome(path)
    return found


def _process(run: RunSnapshot) -> psutil.Process:
    return psutil.Process(run.status["pid"])


def _parent(run: RunSnapshot) -> psutil.Process:
    parent = _process(run).parent()
    assert parent and "ray::" in " ".join(parent.cmdline()), f"{parent} is no worker"
    return parent


def refusals(words: Sequence[str], place: Path) -> None:
    """Check that without the cluster's token no run is created."""
    said = {}
    for variable, value in (("RAY_AUTH_MODE", "disabled"), ("RAY_AUTH_TOKEN", "0" * 32)):
        kept, os.environ[variable] = os.environ[variable], value
        said[variable] = cli_output("cluster", *words, "--runs", str(place / "none"), status=2)
        os.environ[variable] = kept
    assert "RAY_AUTH_MODE must be 'token'" in said["RAY_AUTH_MODE"], said
    assert "has another token" in said["RAY_AUTH_TOKEN"], said
    assert not list_runs(place / "none")


def check_recovery(place: Path, count: int) -> RecoveryCheck:
    """Train with and without failures, and compare the results.

    Raises:
        AssertionError: the results differ.
    """
    with ray_cluster() as cluster:
        cluster.add()
        told = RecoveryCheck(place, cluster, count)
        refusals(told.words, place)
        calm = told.undisturbed()
        assert len(calm) == count
        assert told.disturbed() == calm, "a run differs from the uninterrupted run"
    return told


if __name__ == "__main__":
    move_to_own_network()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    with tempfile.TemporaryDirectory() as folder:
        told = check_recovery(Path(folder), count)
    for what, seconds in told.recovery_seconds.items():
        print(f"{what}: {seconds:.1f} s")
    print(f"{count} runs of {told.epochs} epochs have the same results as the uninterrupted runs")
