"""A queue that trains runs one after another: the first in this process or a fork of it, the others in child processes.

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
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from core.errors import FerError, RunError, first_line
from core.runs.names import LOG, STOP
from core.runs.reader import FINAL_STATES, read_run
from core.runs.resume import load_config, set_final_state
from core.runs.rollback import can_restore
from core.runs.writer import enqueue, set_end_message
from core.system.limits import can_end_process, describe_signal, describe_thread_limit
from core.system.processes import lower_priority, start_detached

# For waiting runs, in seconds: the intervals of checks for a stop request, and of heartbeats.
LISTEN_INTERVAL = 1.0
# The exit status of a worker that could not train a run, or left it as it was before it was resumed.
REFUSED = 3
# A worker's options, see `core.jobs.worker`.
WATCHED, LIFELINE = "--watched", "--lifeline"
BEAT_INTERVAL = 20.0


class Child(Protocol):
    """A child process, such as a `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """The process id."""
        ...

    @property
    def stdout(self) -> IO[bytes] | None:
        """What the process reports."""
        ...

    def wait(self) -> int:
        """Wait until the process has ended; return its exit status, or minus the signal that ended it."""
        ...

    def send_signal(self, sig: signal.Signals, /) -> None:
        """Send a signal to the process."""
        ...


class RunQueue:
    """Runs that one worker thread trains in order by calling `work`. Other threads can add runs meanwhile."""

    def __init__(
        self,
        runs: Sequence[Path] = (),
        *,
        in_children: bool = False,
        is_shared: bool = False,
        captures_stderr: bool = True,
        while_loading: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
        first_child: Child | None = None,
    ) -> None:
        """Create a queue.

        Args:
            runs: directories created by `create_run`, or ended runs to resume.
            in_children: whether the first run also trains in a child process.
            is_shared: whether this process also does other work. Runs that change global settings (`deterministic`,
                several devices) then train in a child process.
            captures_stderr: see `core.training.trainer.train_run`; applies to the run that this process trains.
            while_loading: see `core.training.trainer.train_run`; applies to the run that this process trains.
            first_child: the process that already trains the first run; None to start one here.
        """
        self._waiting = deque(runs)
        self._in_children = in_children or first_child is not None
        self._is_shared = is_shared
        self._captures_stderr = captures_stderr
        self._while_loading = while_loading
        self._first_child = first_child
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._child: Child | None = None
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
                if self._stop.is_set() and self._first_child is None:
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
        # A limit would end the other work too.
        return not self._is_shared or (config.is_single_device and not config.deterministic and not can_end_process())

    def _train_here(self, run: Path) -> None:
        from core.training.trainer import train_run

        self._in_children = True
        if self._is_shared:
            lower_priority(threading.get_native_id())
        train_run(
            load_config(run),
            run,
            _CombinedEvent(self._stop),
            captures_stderr=self._captures_stderr,
            while_loading=self._while_loading,
        )

    def _train_in_child(self, run: Path) -> None:
        """Train a run in a child process, and store how the process ended if it could not do so itself.

        Raises:
            RunError: the run could not start, or it is as it was before it was resumed.
        """
        self._child, self._first_child = self._first_child or start_worker([run], subprocess.PIPE), None
        if self._is_shared:
            lower_priority(self._child.pid)
        if self._stop.is_set():
            self._signal_child(signal.SIGTERM)
        assert self._child.stdout
        with self._child.stdout as report:
            said = report.read().decode(errors="replace").strip()
        status, pid = self._child.wait(), self._child.pid
        self._child = None
        if status == REFUSED and said:
            message, was_resumed, found = said.splitlines()[-1], can_restore(run), read_run(run)
            # A run that was interrupted before it was resumed has the process of that time.
            has_no_end = found.state == "interrupted" and found.status.get("pid") == pid
            # RunError: another process trains the run.
            with contextlib.suppress(RunError):
                if was_resumed or has_no_end:
                    set_final_state(run, "failed", message)
                    if not was_resumed:
                        return
            raise RunError(message)
        if status == -signal.SIGTERM and self._stop.is_set():
            set_final_state(run, "stopped", "stopped while TensorFlow was loading")
        elif status < 0 and read_run(run).state == "interrupted":
            self._record_death(run, describe_signal(-status))
        elif read_run(run).status.get("state") == "queued":
            set_final_state(run, "failed", f"its process exited with status {status} at the start; see log.txt")

    def _record_death(self, run: Path, message: str) -> None:
        """Store the message about a run's process that a signal ended."""
        if not can_restore(run):
            set_end_message(run, message)
            return
        set_final_state(run, "failed", message)
        raise RunError(f"{run.name}: {message}; the run is as it was before")

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


def start_worker(runs: Sequence[Path], stdout: int | None = None) -> subprocess.Popen[bytes]:
    """Start a process that trains runs one after another and does not end with this process's terminal.

    Args:
        runs: the run directories.
        stdout: as in `subprocess.Popen`, for a worker that the caller waits for; it has a line for each run that was
            refused. None for the first run's log.
    """
    options = [] if stdout is None else [WATCHED]
    return start_detached("core.jobs.worker", [*options, *map(str, runs)], runs[0] / LOG, stdout=stdout)


def describe_error(error: Exception) -> str:
    """Return the message of one of `RunQueue.errors`."""
    if isinstance(error, OSError):
        return f"{error.filename or 'the run'}: {error.strerror or error}; the run directory must be writable"
    if isinstance(error, FerError):
        return str(error)
    return describe_thread_limit(error) or f"{type(error).__name__}: {first_line(error)}"
