"""SIGKILL at random moments: `python tests/faults/kills.py [KILLS] [SEED] [gpu]`, 100 and 0 unless told.

With `gpu` the CPU trains as a GPU does, whose checkpoints are written by a thread, not after every epoch.

Runs on drawn faces are killed, gone on with, killed again, until they complete; all the while another thread reads
their directories. Half of the moments are anywhere in a process's life, half are while it writes: within 20 ms of a
file's coming to be. About 15 minutes on two idle cores.
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

# What comes to be while a run is written, in the order in which it does.
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
    """What came of it.

    Attributes:
        kills: processes that were killed while they worked.
        writing: how many of those while they wrote.
        runs: runs that completed, each as the undisturbed one.
        looks: how often a directory was read meanwhile.
        most: kills that one run survived.
    """

    kills: int = 0
    writing: int = 0
    runs: int = 0
    looks: int = 0
    most: int = 0


def kill_at_random(place: Path, kills: int, seed: int = 0, *, as_gpu: bool = False) -> KillCounts:
    """Kill so many processes; the last run is let go to its end.

    Raises:
        AssertionError: a directory could not be read at some moment, or a run ended as no undisturbed one does.
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
    """True some milliseconds after one of a run's files came to be, or was replaced."""
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
    """Kill a process at a moment; false where it ended before."""
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
        f"{told.most} times, ended with the weights, predictions and figures of the undisturbed one; "
        f"their directories were read {told.looks:,} times and were whole each time"
    )
