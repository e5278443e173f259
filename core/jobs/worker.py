"""A process that trains runs, one after another: `python -m core.jobs.worker [--lifeline] RUN...`.

With `--lifeline` the process kills itself when its standard input closes, which happens when its parent ends for any
reason. Signals then kill the process at once, so that its run continues elsewhere. To stop such a run, write a stop
request to its directory.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from core.jobs.run_queue import RunQueue
from core.runs.reader import read_run
from core.runs.writer import enqueue
from core.system.program import set_up_program


def main(runs: Sequence[Path], *, hears_signals: bool = True) -> int:
    """Train runs. A signal ends the current run after its batch and skips the others; a second signal exits at once."""
    queue, signals = RunQueue(runs), []

    def ask(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        queue.stop()
        if len(signals) > 1:
            queue.kill()
            os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask if hears_signals else signal.SIG_DFL)
    for run in runs:
        # From now on the runs wait for this process.
        enqueue(run)
    # Train in a thread, so that the main thread can handle signals while TensorFlow blocks.
    worker = threading.Thread(target=queue.work, name="trainer", daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(0.2)
    for run, error in queue.errors.items():
        sys.stderr.write(f"{run.name}: {error}\n")
    return 0 if all(read_run(run).state in ("completed", "stopped") for run in runs) else 1


def hold_lifeline() -> None:
    """Kill this process as soon as its standard input closes."""

    def wait() -> None:
        # Bypass Python's buffer, whose lock no thread may hold when the interpreter exits.
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


if __name__ == "__main__":
    set_up_program()
    arguments = sys.argv[1:]
    is_held = arguments[:1] == ["--lifeline"]
    if is_held:
        del arguments[0]
        hold_lifeline()
    sys.exit(main([Path(argument) for argument in arguments], hears_signals=not is_held))
