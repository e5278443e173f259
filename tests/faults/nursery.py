"""Training processes forked from one that has already imported TensorFlow, which saves seconds per process.

`python nursery.py [gpu]` reads one JSON object per line: `run`, and `at`, the number of the step before which the
process kills itself, or null. It prints the pid. A step is a change of the run directory: opening a file for writing,
a rename, a removal, or the creation of a folder.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

STEPS = {"os.rename": 0, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.link": 1, "os.truncate": 0}
COUNTED = ".steps"


class Nursery:
    """The client: starts training processes and waits for their end."""

    def __init__(self, *, as_gpu: bool = False) -> None:
        """`as_gpu` makes the CPU train like a GPU: many steps per call, images on the device, background saver."""
        root = Path(__file__).parents[2]
        self._parent = subprocess.Popen(
            [sys.executable, __file__, *(["gpu"] if as_gpu else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"},
            start_new_session=True,
        )
        assert self._told == "ready"

    @property
    def _told(self) -> str:
        assert self._parent.stdout
        return self._parent.stdout.readline().strip()

    def start(self, run: Path, at: int | None = None) -> psutil.Process:
        """Start a process that trains a run and kills itself before step `at`, counted from 0."""
        assert self._parent.stdin
        self._parent.stdin.write(json.dumps({"run": str(run), "at": at}) + "\n")
        self._parent.stdin.flush()
        return psutil.Process(int(self._told))

    def finish(self, run: Path, at: int | None = None) -> int:
        """Train a run to its end, or to step `at`; return the number of steps."""
        wait_for(self.start(run, at))
        counted = run.with_name(run.name + COUNTED)
        return int(counted.read_text()) if counted.exists() else 0

    def close(self) -> None:
        """Kill all processes."""
        os.killpg(self._parent.pid, signal.SIGKILL)
        self._parent.wait()


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process is still running."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(process: psutil.Process) -> None:
    """Wait until a process has ended."""
    while is_alive(process):
        time.sleep(0.005)


def _count_steps(run: Path, at: int | None) -> None:
    """Count the steps of this process in the run directory, and kill it before one of them."""
    folder, taken, mutex = str(run) + os.sep, [0], threading.Lock()

    def look(event: str, told: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = told
            is_step = (
                bool(flags & (os.O_WRONLY | os.O_RDWR)) if isinstance(flags, int) else bool(set(mode) & set("wax+"))
            )
        elif event in STEPS:
            path, is_step = told[STEPS[event]], True
        else:
            return
        # Heartbeats happen at irregular times, so their steps are not counted.
        if not is_step or not str(path).startswith(folder) or "status.json" in str(path):
            return
        with mutex:
            if taken[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
            taken[0] += 1
            Path(folder[:-1] + COUNTED).write_text(str(taken[0]))

    sys.addaudithook(look)


def _simulate_gpu() -> None:
    from core.training import auto_settings, checkpoint_saver, devices

    devices.Devices.on_gpu = property(lambda self: True)  # pyright: ignore[reportAttributeAccessIssue]
    auto_settings.free_gpu_memory = lambda: 10**12
    # About the duration of one or two epochs of these small runs.
    checkpoint_saver.SAVE_INTERVAL = 0.2


def _live(run: Path, at: int | None) -> int:
    """Train in the forked process; return the exit status."""
    from core.jobs.worker import main

    _count_steps(run, at)
    return main([run])


def _serve() -> None:
    import keras
    import sklearn.metrics
    import tensorflow as tf

    from core.training import build, trainer

    for module in (keras, sklearn.metrics, tf, trainer, build):
        assert module
    if sys.argv[1:] == ["gpu"]:
        _simulate_gpu()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            os._exit(_live(Path(asked["run"]), asked["at"]))
        print(pid, flush=True)


if __name__ == "__main__":
    _serve()
