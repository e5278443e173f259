"""Kills a training process before each of its writing steps: `python tests/faults/steps.py [EVERY] [gpu]`.

The script kills a training of two epochs before its first step in the run directory, another before its second step,
and so on to the last step. It then resumes each run and compares it with the uninterrupted run. With EVERY it tests
only every EVERY-th step.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from nursery import Nursery
from reference_run import ReferenceRun, RunDirectoryChecker

from core.runs.reader import read_run


def every_step(place: Path, every: int = 1, *, as_gpu: bool = False) -> tuple[int, int]:
    """Kill a process before every `every`-th step; return the number of steps and of kills.

    Raises:
        AssertionError: a directory can't be read, or a run's results differ from those of the reference run.
    """
    nursery, killed = Nursery(as_gpu=as_gpu), 0
    try:
        undisturbed = ReferenceRun(place, nursery, epochs=2)
        for at in range(0, undisturbed.steps, every):
            run = undisturbed.new_run()
            nursery.finish(run, at)
            killed += 1
            if read_run(run).state == "completed":
                # The kill came after the final status, during cleanup.
                undisturbed.check(run)
            else:
                assert read_run(run).state == "interrupted", f"step {at}: {read_run(run).state}"
            RunDirectoryChecker(run, undisturbed.config, as_gpu=as_gpu).check_once()
            nursery.finish(run)
            undisturbed.check(run)
    finally:
        nursery.close()
    return undisturbed.steps, killed


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        steps, tried = every_step(
            Path(folder), *(int(word) for word in sys.argv[1:] if word != "gpu"), as_gpu="gpu" in sys.argv
        )
    print(
        f"{steps} steps change the run directory; {tried} processes were killed, each before a different step, and "
        "each run has the same weights, predictions and metrics as the uninterrupted run"
    )
