"""Runs on a cluster that loses what it can lose: `python tests/cluster/failures.py [RUNS]`, 8 unless told.

Two Ray nodes in a network of their own, a processor each, train runs on drawn faces, a seed each: once undisturbed,
once while a child, a worker, a whole node and the driver are killed and the queue is stopped and gone on with, each in
the middle of a run. Each run must end as the undisturbed one of its seed. About five minutes on two idle cores.
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

# Long enough for an epoch to be cut in its middle.
WISHES = {**SETTINGS, "width": 0.5, "patience": None}


def cli_output(*words: str, status: int = 0) -> str:
    """What a command says on stdout, and on stderr where it must fail."""
    done = subprocess.run([sys.executable, "-P", "-m", "fer_tui", *words], capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{words}: status {done.returncode}: {done.stderr}"
    return done.stderr if status else done.stdout


class RecoveryCheck:
    """The same runs in one folder after another."""

    def __init__(self, place: Path, cluster: RayCluster, count: int) -> None:
        self.place = place
        self.cluster = cluster
        # Enough for everything to be lost while there is a run in its middle.
        self.epochs = max(6, 60 // count)
        write_faces(place / "faces", per_class=30, seed=0)
        line = train_command(resolve({**WISHES, "epochs": self.epochs, "data": place / "faces"})).split()[2:]
        seeds = ",".join(str(seed) for seed in range(1, count + 1))
        self.words = ("run", *line, "--seeds", seeds, "--address", ADDRESS)
        self.recovery_seconds: dict[str, float] = {}

    def undisturbed(self) -> dict[int, dict[str, Any]]:
        """How the run of each seed ends where nothing happens."""
        began = time.monotonic()
        cli_output("cluster", *self.words, "--runs", str(self.place / "calm"), "--wait")
        self.recovery_seconds["nothing"] = time.monotonic() - began
        return outcomes(self.place / "calm", self.epochs)

    def disturbed(self) -> dict[int, dict[str, Any]]:
        """How it ends where everything does."""
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
        assert not queue.unfinished(), "what is done is still in the queue"
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
        """Lose something in the middle of a run, and wait until the run goes on; notes how long that takes."""
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
        # An epoch's row is written before its checkpoint, which is what counts.
        assert len(now.history) >= done - 1, f"{run.path}: of {done} epochs {len(now.history)} are left"

    def _in_the_middle(self, node: psutil.Process | None) -> RunSnapshot:
        """A run that trains, on that machine: it has an epoch, and not its last but one."""
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
    """Seed to what a run ended with.

    Raises:
        AssertionError: one did not complete, or has an epoch twice, or not at all.
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
    """Without the token nothing begins, and nothing is left behind."""
    said = {}
    for variable, value in (("RAY_AUTH_MODE", "disabled"), ("RAY_AUTH_TOKEN", "0" * 32)):
        kept, os.environ[variable] = os.environ[variable], value
        said[variable] = cli_output("cluster", *words, "--runs", str(place / "none"), status=2)
        os.environ[variable] = kept
    assert "RAY_AUTH_MODE must be 'token'" in said["RAY_AUTH_MODE"], said
    assert "has another token" in said["RAY_AUTH_TOKEN"], said
    assert not list_runs(place / "none")


def check_recovery(place: Path, count: int) -> RecoveryCheck:
    """All of it.

    Raises:
        AssertionError: something was lost.
    """
    with ray_cluster() as cluster:
        cluster.add()
        told = RecoveryCheck(place, cluster, count)
        refusals(told.words, place)
        calm = told.undisturbed()
        assert len(calm) == count
        assert told.disturbed() == calm, "a run is not that of an undisturbed one"
    return told


if __name__ == "__main__":
    move_to_own_network()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    with tempfile.TemporaryDirectory() as folder:
        told = check_recovery(Path(folder), count)
    for what, seconds in told.recovery_seconds.items():
        print(f"{what}: {seconds:.1f} s")
    print(f"{count} runs of {told.epochs} epochs each ended as the undisturbed ones")
