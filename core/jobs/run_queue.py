"""A queue that trains runs one after another: the first in this process, each later run in a child process.

Keras keeps compiled functions until its process ends (see docs/memory.md), so that the memory of a single process
would grow with every run.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from core.errors import RunError
from core.runs.names import LOG, STOP
from core.runs.reader import FINAL_STATES, read_run
from core.runs.resume import load_config, set_final_state
from core.runs.writer import enqueue, set_end_message
from core.system.processes import lower_priority, start_detached

# For waiting runs, in seconds: the intervals of checks for a stop request, and of heartbeats.
LISTEN_INTERVAL = 1.0
BEAT_INTERVAL = 20.0


class RunQueue:
    """Runs that one worker thread trains in order by calling `work`. Other threads can add runs meanwhile."""

    def __init__(
        self,
        runs: Sequence[Path] = (),
        *,
        in_children: bool = False,
        is_shared: bool = False,
        captures_stderr: bool = True,
    ) -> None:
        """Create a queue.

        Args:
            runs: directories created by `create_run`, or ended runs to resume.
            in_children: whether the first run also trains in a child process.
            is_shared: whether this process also does other work. Runs that change global settings (`deterministic`,
                several devices) then train in a child process.
            captures_stderr: see `core.training.trainer.train_run`; applies to the run that this process trains.
        """
        self._waiting = deque(runs)
        self._in_children = in_children
        self._is_shared = is_shared
        self._captures_stderr = captures_stderr
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._works = False
        self._idle = threading.Event()
        self.current: Path | None = None
        self.errors: dict[Path, Exception] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a run trains or waits. A run with a final state does not count, even if its process still runs."""
        current = self.current
        return bool(self._waiting) or (current is not None and read_run(current).state not in FINAL_STATES)

    def add(self, runs: Sequence[Path]) -> bool:
        """Append runs; return whether the caller must start a thread that calls `work`."""
        with self._mutex:
            self._waiting.extend(runs)
            starts, self._works = not self._works, True
            if starts:
                self._idle = threading.Event()
        return starts

    def work(self) -> None:
        """Train runs until none is left. If a run can't start, its error is stored in `errors`."""
        threading.Thread(target=self._refresh_heartbeats, args=[self._idle], name="waiting runs", daemon=True).start()
        while (run := self._next()) is not None:
            try:
                if self._stop.is_set():
                    set_final_state(run, "stopped", "stopped before it started")
                elif self._trains_here(run):
                    self._train_here(run)
                else:
                    self._train_in_child(run)
            except Exception as error:
                self.errors[run] = error

    def cancel(self, run: Path) -> bool:
        """Remove a waiting run and mark it stopped; return false if the run is not waiting."""
        with self._mutex:
            if run not in self._waiting:
                return False
            self._waiting.remove(run)
        set_final_state(run, "stopped", "stopped before it started")
        return True

    def stop(self) -> None:
        """End the current run after its batch and start no other run. Can be called from any thread."""
        self._stop.set()
        self._signal_child(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the child process. Its checkpoint of the last complete epoch is kept."""
        self._signal_child(signal.SIGKILL)

    def _next(self) -> Path | None:
        with self._mutex:
            self.current = self._waiting.popleft() if self._waiting else None
            self._works = self.current is not None
            if not self._works:
                self._idle.set()
            return self.current

    def _refresh_heartbeats(self, idle: threading.Event) -> None:
        """Write the heartbeats of waiting runs, which other hosts read, and cancel runs with a stop request."""
        beaten = time.monotonic()
        while not idle.wait(LISTEN_INTERVAL):
            is_due = time.monotonic() - beaten > BEAT_INTERVAL
            with self._mutex:
                waiting = list(self._waiting)
            for run in waiting:
                with contextlib.suppress(OSError, RunError):
                    if (run / STOP).exists():
                        self.cancel(run)
                    elif is_due:
                        self._say_queued(run)
            beaten = time.monotonic() if is_due else beaten

    def _say_queued(self, run: Path) -> None:
        with self._mutex:
            if run in self._waiting:
                enqueue(run)

    def _trains_here(self, run: Path) -> bool:
        if self._in_children:
            return False
        config = load_config(run)
        return not self._is_shared or (config.is_single_device and not config.deterministic)

    def _train_here(self, run: Path) -> None:
        from core.training.trainer import train_run

        self._in_children = True
        if self._is_shared:
            lower_priority(threading.get_native_id())
        train_run(load_config(run), run, _CombinedEvent(self._stop), captures_stderr=self._captures_stderr)

    def _train_in_child(self, run: Path) -> None:
        self._child = start_worker([run])
        if self._is_shared:
            lower_priority(self._child.pid)
        if self._stop.is_set():
            self._signal_child(signal.SIGTERM)
        status = self._child.wait()
        self._child = None
        if read_run(run).status.get("state") == "queued":
            set_final_state(run, "failed", f"its process exited with status {status} at the start; see log.txt")
        elif status < 0 and read_run(run).state == "interrupted":
            set_end_message(run, f"its process was killed by signal {-status}; a common cause is a lack of memory")

    def _signal_child(self, number: signal.Signals) -> None:
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)


class _CombinedEvent(threading.Event):
    """A run's stop event, which is also set when the queue's stop event is set."""

    def __init__(self, other: threading.Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or self._other.is_set()


def start_worker(runs: Sequence[Path]) -> subprocess.Popen[bytes]:
    """Start a process that trains runs one after another and does not end with this process's terminal."""
    return start_detached("core.jobs.worker", map(str, runs), runs[0] / LOG)
