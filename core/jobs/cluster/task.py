"""The task of a Ray worker: it trains a run in a child process on the worker's machine."""

from __future__ import annotations

import math
import os
import subprocess
import time
from pathlib import Path

from core.errors import RunError
from core.jobs.run_queue import LIFELINE, REFUSED
from core.runs.names import LOG
from core.runs.reader import FINAL_STATES, is_run, read_state
from core.runs.writer import enqueue
from core.system.processes import start_detached

# The states that end a task. A task resumes an interrupted run.
REPORTED_STATES = tuple(state for state in FINAL_STATES if state != "interrupted")
PAUSE = 1.0


class ChildLostError(Exception):
    """A run's process was killed; Ray resumes the run in another process."""


class UnchangedError(RunError):
    """A run could not be resumed and is as it was before."""


def run_in_child(run: str, cpus: float) -> str:
    """Train a run in a child process, which ends together with this process.

    Args:
        run: the run's directory, which has the same path on every machine.
        cpus: the number of threads of the child, rounded up; 0 uses TensorFlow's default.

    Returns:
        The run's final state, also if it failed.

    Raises:
        ChildLostError: a signal killed the child, or the directory is temporarily not writable.
        RunError: the run could not start, or could not be resumed (UnchangedError).
    """
    try:
        return _train(Path(run), cpus)
    except OSError as error:
        raise ChildLostError(f"{error.filename or run}: {error.strerror or error}") from None


def _train(path: Path, cpus: float) -> str:
    while not path.parent.is_dir():
        # Wait if a machine has just started and not yet mounted the shared folder, so that it does not fail every run.
        time.sleep(PAUSE)
    run = str(path)
    if not is_run(path):
        raise RunError(
            f"{run}: the run is missing on {os.uname().nodename}; every machine needs RUNS under the same path"
        )
    while (state := read_state(path)) not in REPORTED_STATES:
        if state == "running":
            # A worker that lost its connection to Ray may still train the run. Wait for it.
            time.sleep(PAUSE)
            continue
        # From now on the run waits for this process.
        enqueue(path)
        child = start_detached(
            "core.jobs.worker",
            [LIFELINE, run],
            path / LOG,
            child_environment(cpus),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert child.stdout
        try:
            with child.stdout as report:
                said = report.read().decode(errors="replace").strip()
            status = child.wait()
        finally:
            assert child.stdin
            child.stdin.close()
        state = read_state(path)
        if status == REFUSED and said and state != "running":
            raise (RunError if state == "queued" else UnchangedError)(said.splitlines()[-1])
        if state in (*REPORTED_STATES, "running"):
            continue
        if status < 0:
            raise ChildLostError(f"its process was killed by signal {-status}")
        raise RunError(f"its process exited with status {status} at the start; see log.txt")
    return state


def child_environment(cpus: float) -> dict[str, str]:
    """Return a child's environment variables, which hide GPUs of other tasks and set one thread per assigned CPU."""
    import ray

    variables = dict(os.environ)
    # Ray sets CUDA_VISIBLE_DEVICES to the assigned GPUs. Without any, TensorFlow would use all GPUs.
    if not ray.get_gpu_ids():
        variables["CUDA_VISIBLE_DEVICES"] = "-1"
    # Ray sets this to 1 for a task without assigned CPUs.
    variables.pop("OMP_NUM_THREADS", None)
    if cpus:
        threads = str(math.ceil(cpus))
        variables |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), threads)
    return variables
