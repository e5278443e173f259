"""The queue on one machine, without an address: `python tests/cluster/single_machine.py`.

The script stops a waiting run, adds runs to a running driver, trains a run whose data is missing, and stops a run
during training. Takes about a minute on two cores.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from failures import cli_output
from machines import move_to_own_network

from core.data.demo import write_faces
from core.jobs.cluster.cluster_queue import ClusterQueue
from core.runs.reader import list_runs, read_run

# Each run uses all CPUs, so that the runs train one after another.
LINE = ["--model", "model2", "--width", "0.1", "--image-size", "32", "--cpus-per-run", str(os.cpu_count())]


def alone(place: Path) -> None:
    """Run the whole test.

    Raises:
        AssertionError: a check failed.
    """
    # Work in a folder that holds a foreign `core`: the driver, Ray's workers and the children must not import it.
    (place / "core").mkdir()
    (place / "core" / "__init__.py").write_text("raise SystemExit('the project of somebody else')\n")
    os.chdir(place)
    data, gone, runs = place / "faces", place / "gone", place / "runs"
    write_faces(data, per_class=10, seed=0)
    shutil.copytree(data, gone)
    queue = ClusterQueue(runs)

    endless = ["--epochs", "100000", "--patience", "none"]
    cli_output("cluster", "run", "--data", str(data), *LINE, *endless, "--seeds", "3,1,2", "--runs", str(runs))
    long, waits, last = sorted(list_runs(runs))
    assert [read_run(run).config["seed"] for run in (long, waits, last)] == [3, 1, 2]
    driver = queue.driver_snapshot().status["pid"]
    cli_output("stop", waits.name, "--runs", str(runs))
    assert (read_run(waits).state, read_run(waits).message) == ("stopped", "stopped before it started")

    more = ["--epochs", "1", "--gpus-per-run", "0", "--runs", str(runs), "--json"]
    told = json.loads(cli_output("cluster", "run", "--data", str(gone), *LINE, *more))
    fails = runs / told[0]["run"]
    shutil.rmtree(gone)
    assert queue.driver_snapshot().status["pid"] == driver, "the driver was replaced by another one"

    until(lambda: bool(read_run(long).history))
    watch(runs)
    assert read_run(last).state == "queued"
    cli_output("stop", long.name, "--runs", str(runs))
    assert read_run(long).state == "stopped"
    until(lambda: read_run(last).state == "running")
    # A run that a user stopped leaves the queue.
    until(lambda: long not in queue.unfinished())
    cli_output("stop", last.name, "--runs", str(runs))

    until(lambda: not queue.has_driver())
    assert not queue.unfinished()
    failed = read_run(fails)
    assert failed.state == "failed" and str(gone) in failed.message, f"{failed.state}: {failed.message}"
    assert (fails / "log.txt").read_text().count("reading the images") == 1, "an ordinary failure was retried"
    told = json.loads(cli_output("cluster", "status", "--runs", str(runs), "--json"))
    assert told == {"driver": {**told["driver"], "state": "completed", "address": None}, "runs": []}
    assert "nothing is running" in cli_output("cluster", "stop", "--runs", str(runs), status=1)


def watch(runs: Path) -> None:
    """Check that Ctrl+C in a watching command does not stop the runs."""
    words = [sys.executable, "-P", "-m", "fer_tui", "cluster", "start", "--wait", "--runs", str(runs)]
    watching = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert watching.stderr and "cluster: resumes " in watching.stderr.readline()
    assert "epoch" in watching.stderr.readline()
    watching.send_signal(signal.SIGINT)
    said = watching.communicate()[1]
    assert "the runs continue in the background; 'fer-tui cluster stop' stops them\n" in said, said
    assert watching.returncode == 130


def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition is true, for at most two minutes."""
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, "the condition did not become true within two minutes"
        time.sleep(0.02)


if __name__ == "__main__":
    move_to_own_network()
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    with tempfile.TemporaryDirectory() as folder:
        alone(Path(folder))
    sys.stdout.write("all checks passed\n")
