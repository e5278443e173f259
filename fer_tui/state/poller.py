"""The thread that looks at the runs, the log, the machine and the terminal, and tells the app what changed."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

from textual.message import Message
from textual.worker import get_current_worker

from core.errors import RunError
from core.runs.names import LOG
from core.runs.reader import RunSnapshot
from core.system.hardware import SystemLoad
from fer_tui.console import terminal
from fer_tui.state.watchers import LoadMeter, LogTail, RunWatcher

POLL_INTERVAL = 0.5


class RunsChanged(Message):
    """The folder of runs was looked at and is not as it was."""

    def __init__(self, runs: tuple[RunSnapshot, ...], problem: str) -> None:
        super().__init__()
        self.runs = runs
        self.problem = problem


class LogGrown(Message):
    """The followed run's log has new lines; `is_new` where they are the first that are read of it."""

    def __init__(self, run: Path, lines: list[str], *, is_new: bool) -> None:
        super().__init__()
        self.run = run
        self.lines = lines
        self.is_new = is_new


class LoadSampled(Message):
    """The machine was looked at and is not as it was."""

    def __init__(self, load: SystemLoad) -> None:
        super().__init__()
        self.load = load


class HungUp(Message):
    """The terminal is gone."""


class Poller:
    """Looks every POLL_INTERVAL seconds, or at once when it is asked to."""

    def __init__(
        self, folder: Path, tell: Callable[[Message], object], prepare: Callable[[], None] = lambda: None
    ) -> None:
        """Look at a folder of runs.

        Args:
            folder: RUNS.
            tell: takes the messages, in the follower's thread.
            prepare: called at each look after the first paint; what it does the first time must not hold that up.
        """
        self._prepare = prepare
        self.followed_run: Path | None = None
        self._tell = tell
        self._watcher = RunWatcher(folder)
        self._last_runs: tuple[tuple[RunSnapshot, ...], str] | None = None
        self._tail: LogTail | None = None
        self._wake = threading.Event()
        self._is_ending = threading.Event()

    def follow_log(self, run: Path | None) -> None:
        """Read this run's log from now on, at once and not at the next look."""
        if run != self.followed_run:
            self.followed_run = run
            self._wake.set()

    def poll_now(self) -> None:
        """Look at once."""
        self._wake.set()

    def end(self) -> None:
        """Have the thread end."""
        self._is_ending.set()
        self._wake.set()

    def run(self) -> None:
        """Look, tell what changed, rest: in a thread worker, until `end`."""
        worker, meter, began = get_current_worker(), None, time.monotonic()
        while not (self._is_ending.is_set() or worker.is_cancelled):
            self._wake.clear()
            if terminal.has_hung_up():
                self._tell(HungUp())
            self._look_at_runs()
            self._look_at_log(self.followed_run)
            # To import and to ask the driver for the first time would hold up the first paint.
            if time.monotonic() - began >= POLL_INTERVAL:
                self._prepare()
                _enable_garbage_collection()
                meter = meter or LoadMeter()
                load = meter.poll()
                if load is not None:
                    self._tell(LoadSampled(load))
            self._wake.wait(POLL_INTERVAL)

    def _look_at_runs(self) -> None:
        seen: tuple[tuple[RunSnapshot, ...], str]
        try:
            seen = self._watcher.poll(), ""
        except RunError as error:
            seen = (), str(error)
        if seen != self._last_runs:
            self._last_runs = seen
            self._tell(RunsChanged(*seen))

    def _look_at_log(self, run: Path | None) -> None:
        if run is None:
            return
        is_new = self._tail is None or self._tail.path.parent != run
        if self._tail is None or is_new:
            self._tail = LogTail(run / LOG)
        lines = self._tail.read_new_lines()
        if lines or is_new:
            self._tell(LogGrown(run, lines, is_new=is_new))


def _enable_garbage_collection() -> None:
    """Turn on what the command line left off for the first paint; what is there by now is there to stay."""
    if not gc.isenabled():
        gc.enable()
        gc.freeze()
