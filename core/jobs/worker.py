"""A process that trains runs, one after another: `python -m core.jobs.worker [--lifeline|--watched] RUN...`.

The first run trains in a fork of this process, so that this process can store what ended it. With `--watched` it trains
in this process, because the process that started this one does that.

With `--lifeline` the same holds, and the process kills itself when its standard input closes, which happens when its
parent ends for any reason. Signals then kill the process at once, so that its run continues elsewhere. To stop such a
run, write a stop request to its directory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from core.jobs.forked_process import ForkedProcess, can_fork
from core.jobs.run_queue import LIFELINE, REFUSED, WATCHED, RunQueue, describe_error
from core.runs.names import LOG
from core.runs.reader import read_run
from core.runs.writer import enqueue
from core.system.program import set_up_program
from core.system.signals import SIGNALS, default_signals


def fork_worker(run: Path) -> ForkedProcess | None:
    """Fork a process that trains a run; None where that is not possible.

    The process ignores SIGINT and SIGHUP, which a terminal sends to both: its parent decides. SIGTERM stops the
    training after the current batch.

    Raises:
        OSError: this user may not start another process.
    """
    return ForkedProcess(partial(main, [run], is_forked=True), run / LOG) if can_fork() else None


def main(runs: Sequence[Path], *, hears_signals: bool = True, is_forked: bool = False, is_watched: bool = True) -> int:
    """Train runs. A signal ends the current run after its batch and skips the others; a second signal exits at once.

    While TensorFlow loads, the first signal already exits at once: nothing can be lost.

    Args:
        runs: the run directories.
        hears_signals: whether the signals do this. Otherwise each ends the process at once.
        is_forked: see `fork_worker`.
        is_watched: whether another process stores what ended this one.

    Returns:
        The exit status: REFUSED if a run could not be trained or is as it was before, 1 if a run failed, else 0.
    """
    for run in runs:
        # From now on the runs wait for this process.
        enqueue(run)
    first_child = None if is_watched or is_forked else fork_worker(runs[0])
    queue, signals = RunQueue(runs, while_loading=default_signals, first_child=first_child), []

    def ask(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        queue.stop()
        if len(signals) > 1 and not is_forked:
            queue.kill()
            os._exit(128 + number)

    for number in SIGNALS:
        ignores = is_forked and number != signal.SIGTERM
        signal.signal(number, signal.SIG_IGN if ignores else ask if hears_signals else signal.SIG_DFL)
    # Train in a thread, so that the main thread can handle signals while TensorFlow blocks.
    worker = threading.Thread(target=queue.work, name="trainer", daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(0.2)
    if queue.errors:
        # The process that started this one may have ended.
        with contextlib.suppress(OSError):
            for error in queue.errors.values():
                os.write(1, f"{describe_error(error)}\n".encode(errors="backslashreplace"))
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
    options = {argument for argument in sys.argv[1:] if argument in (WATCHED, LIFELINE)}
    if LIFELINE in options:
        hold_lifeline()
    paths = [Path(argument) for argument in sys.argv[1 + len(options) :]]
    sys.exit(main(paths, hears_signals=LIFELINE not in options, is_watched=bool(options)))
