"""A process that trains runs, one after another: `python -m core.jobs.worker [--lifeline] RUN...`.

With `--lifeline` the process kills itself when its standard input closes, which happens when its parent ends for any
reason. Signals then kill the process at once, so that its run continues elsewhere. To stop such a run, write a stop
request to its directory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from core.jobs.run_queue import REFUSED, RunQueue, describe_error
from core.runs.reader import read_run
from core.runs.writer import enqueue
from core.system.program import set_up_program
from core.system.signals import SIGNALS, default_signals


def main(runs: Sequence[Path], *, hears_signals: bool = True, is_supervised: bool = False) -> int:
    """Train runs. A signal ends the current run after its batch and skips the others; a second signal exits at once.

    While TensorFlow loads, the first signal already exits at once: nothing can be lost.

    Args:
        runs: the run directories.
        hears_signals: whether the signals do this. Otherwise each ends the process at once.
        is_supervised: whether only SIGTERM is for this process, and a second one means the same as the first.

    Returns:
        The exit status: REFUSED if a run could not be trained or is as it was before, 1 if a run failed, else 0.
    """
    queue, signals = RunQueue(runs, while_loading=default_signals), []

    def ask(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        queue.stop()
        if len(signals) > 1 and not is_supervised:
            queue.kill()
            os._exit(128 + number)

    for number in SIGNALS:
        ignores = is_supervised and number != signal.SIGTERM
        signal.signal(number, signal.SIG_IGN if ignores else ask if hears_signals else signal.SIG_DFL)
    for run in runs:
        # From now on the runs wait for this process.
        enqueue(run)
    # Train in a thread, so that the main thread can handle signals while TensorFlow blocks.
    worker = threading.Thread(target=queue.work, name="trainer", daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(0.2)
    if queue.errors:
        # The process that started this one may have ended.
        with contextlib.suppress(OSError):
            for error in queue.errors.values():
                sys.stdout.write(f"{describe_error(error)}\n")
            sys.stdout.flush()
        return REFUSED
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
