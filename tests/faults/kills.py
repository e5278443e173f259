"""SIGKILL at random moments: `python tests/faults/kills.py [KILLS] [SEED] [gpu]`. The defaults are 100 and 0.

With `gpu` the CPU trains like a GPU, whose checkpoints are written by a thread instead of between epochs.

The script kills and resumes runs on drawn faces until they complete, while a thread reads their directories. Half of
the kills happen at any time in a process's life, half within 20 ms of the creation of a file. Takes about 15 minutes
on two idle cores.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from nursery import Nursery, is_alive, wait_for
from reference_run import ReferenceRun, RunDirectoryChecker

from core.runs.reader import read_run

# The files that a run creates, in order of creation.
WRITTEN = (
    "environment.json",
    "checkpoint.new",
    "checkpoint.previous",
    "best.keras",
    "predictions.csv",
    "evaluation.json",
)


@dataclass
class KillCounts:
    """The counts of a test of kills.

    Attributes:
        kills: the number of killed processes.
        writing: the number of processes killed while writing.
        runs: the number of completed runs, all with the results of the reference run.
        looks: how often the run directories were read.
        most: the largest number of kills of a single run.
    """

    kills: int = 0
    writing: int = 0
    runs: int = 0
    looks: int = 0
    most: int = 0


def kill_at_random(place: Path, kills: int, seed: int = 0, *, as_gpu: bool = False) -> KillCounts:
    """Kill `kills` processes, then let the last run complete.

    Raises:
        AssertionError: a directory could not be read, or a run's results differ from those of the reference run.
    """
    draw, told, nursery = random.Random(seed), KillCounts(), Nursery(as_gpu=as_gpu)
    try:
        began = time.monotonic()
        undisturbed = ReferenceRun(place, nursery)
        life = time.monotonic() - began
        while told.kills < kills:
            run, before = undisturbed.new_run(), told.kills
            with RunDirectoryChecker(run, undisturbed.config, as_gpu=as_gpu) as reader:
                while read_run(run).state != "completed":
                    process = nursery.start(run)
                    if told.kills < kills:
                        is_writing = draw.random() < 0.5
                        moment = _writing(run, draw) if is_writing else _anywhere(draw.uniform(0, life))
                        if _kill(process, moment):
                            told.kills += 1
                            told.writing += is_writing
                    wait_for(process)
                    assert not reader.faults, f"{run}: {reader.faults[0]}"
            told.looks += reader.check_count
            undisturbed.check(run)
            told.runs += 1
            told.most = max(told.most, told.kills - before)
    finally:
        nursery.close()
    return told


def _anywhere(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def _writing(run: Path, draw: random.Random) -> Callable[[], bool]:
    """Return a function that is true up to 20 ms after a random file of the run was created or replaced."""
    path, wait = run / draw.choice(WRITTEN), draw.uniform(0, 0.02)
    before = _stamp(path)

    def came() -> bool:
        if _stamp(path) in (before, None):
            return False
        time.sleep(wait)
        return True

    return came


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _kill(process: psutil.Process, moment: Callable[[], bool]) -> bool:
    """Kill a process when `moment` is true; return false if the process ended before."""
    while is_alive(process):
        if moment():
            process.kill()
            return True
        time.sleep(0.0005)
    return False


if __name__ == "__main__":
    asked = [int(argument) for argument in sys.argv[1:] if argument != "gpu"]
    with tempfile.TemporaryDirectory() as folder:
        told = kill_at_random(Path(folder), *(asked or [100]), as_gpu="gpu" in sys.argv)
    print(
        f"{told.kills} kills, {told.writing} of them within 20 ms of a write; {told.runs} runs, one of them killed "
        f"{told.most} times, have the same weights, predictions and metrics as the uninterrupted run; "
        f"their directories were read {told.looks:,} times and were complete each time"
    )
