"""What a Ray worker does for a run: train it in a child process, on whichever machine it was given to."""

from __future__ import annotations

import math
import os
import subprocess
import time
from pathlib import Path

from core.errors import RunError
from core.runs.names import LOG
from core.runs.reader import FINAL_STATES, is_run, read_state
from core.runs.writer import enqueue
from core.system.processes import start_detached

# Interrupted is no end here: that is what a task is for.
REPORTED_STATES = tuple(state for state in FINAL_STATES if state != "interrupted")
PAUSE = 1.0


class ChildLostError(Exception):
    """A run's process was killed; the run goes on in another."""


def run_in_child(run: str, cpus: float) -> str:
    """Train a run to its end in a child process, which dies with this one.

    Args:
        run: its directory, which this machine sees under the same path.
        cpus: how many threads the child computes with, rounded up; 0 leaves that to TensorFlow.

    Returns:
        The state in which the run ended, whether it succeeded or not.

    Raises:
        ChildLostError: a signal killed the child, or the directory can't be written just now.
        RunError: it could not begin.
    """
    try:
        return _train(Path(run), cpus)
    except OSError as error:
        raise ChildLostError(f"{error.filename or run}: {error.strerror or error}") from None


def _train(path: Path, cpus: float) -> str:
    while not path.parent.is_dir():
        # A machine that has just started, and does not see the shared folder yet, must not eat the queue.
        time.sleep(PAUSE)
    run = str(path)
    if not is_run(path):
        raise RunError(f"{run}: is not seen on {os.uname().nodename}; every machine needs RUNS under the same path")
    while (state := read_state(path)) not in REPORTED_STATES:
        if state == "running":
            # A worker that Ray took for lost may still be at work, behind a broken line: its run goes on there.
            time.sleep(PAUSE)
            continue
        # From now on it is this process that it waits for.
        enqueue(path)
        child = start_detached(
            "core.jobs.worker", ["--lifeline", run], path / LOG, child_environment(cpus), stdin=subprocess.PIPE
        )
        try:
            status = child.wait()
        finally:
            assert child.stdin
            child.stdin.close()
        if read_state(path) in (*REPORTED_STATES, "running"):
            continue
        if status < 0:
            raise ChildLostError(f"its process was killed by signal {-status}")
        raise RunError(f"its process ended with status {status} before it began; see log.txt")
    return state


def child_environment(cpus: float) -> dict[str, str]:
    """The variables of a child: GPUs that were not given to it are hidden, and it has a thread a processor."""
    import ray

    variables = dict(os.environ)
    # Ray names those that it gave; where it gave none, TensorFlow would take them all.
    if not ray.get_gpu_ids():
        variables["CUDA_VISIBLE_DEVICES"] = "-1"
    # For a task without a processor Ray sets it to 1.
    variables.pop("OMP_NUM_THREADS", None)
    if cpus:
        threads = str(math.ceil(cpus))
        variables |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), threads)
    return variables
