"""A process that ends before each of its writing steps in turn: `python tests/faults/steps.py [EVERY] [gpu]`.

A training of two epochs is killed before its first step in the run directory, another before its second, and so on to
the last; each is then gone on with and held against the undisturbed one. With EVERY only each so many-th step.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from nursery import Nursery
from reference_run import ReferenceRun, RunDirectoryChecker

from core.runs.reader import read_run


def every_step(place: Path, every: int = 1, *, as_gpu: bool = False) -> tuple[int, int]:
    """Kill before each so many-th step; how many steps there are, and before how many a process was killed.

    Raises:
        AssertionError: a directory can't be read, or a run ends as no undisturbed one does.
    """
    nursery, killed = Nursery(as_gpu=as_gpu), 0
    try:
        undisturbed = ReferenceRun(place, nursery, epochs=2)
        for at in range(0, undisturbed.steps, every):
            run = undisturbed.new_run()
            nursery.finish(run, at)
            killed += 1
            if read_run(run).state == "completed":
                # All is told; what was left to do is to clear up.
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
        f"{steps} steps that change the run directory; of {tried} processes each was killed before another one, and "
        "each run ended with the weights, predictions and figures of the undisturbed one"
    )
