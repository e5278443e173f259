"""A thread that polls the runs, the log, the system load and the terminal, and posts messages about changes."""

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
    """Posted when a run has changed, or when the folder of runs can't be read."""

    def __init__(self, runs: tuple[RunSnapshot, ...], problem: str) -> None:
        super().__init__()
        self.runs = runs
        self.problem = problem


class LogGrown(Message):
    """Posted when the followed run's log has new lines.

    `is_new` is True for the first message after another run was followed.
    """

    def __init__(self, run: Path, lines: list[str], *, is_new: bool) -> None:
        super().__init__()
        self.run = run
        self.lines = lines
        self.is_new = is_new


class LoadSampled(Message):
    """Posted when the system load has changed."""

    def __init__(self, load: SystemLoad) -> None:
        super().__init__()
        self.load = load


class HungUp(Message):
    """Posted when the terminal is closed."""


class Poller:
    """Polls every POLL_INTERVAL seconds, or at once on request."""

    def __init__(
        self, folder: Path, post: Callable[[Message], object], prepare: Callable[[], None] = lambda: None
    ) -> None:
        """Prepare to poll a folder of runs.

        Args:
            folder: the folder of runs.
            post: called with each message, in the poller's thread.
            prepare: called at each poll after the first POLL_INTERVAL, so that it does not delay the first paint.
        """
        self._prepare = prepare
        self.followed_run: Path | None = None
        self._post = post
        self._watcher = RunWatcher(folder)
        self._last_runs: tuple[tuple[RunSnapshot, ...], str] | None = None
        self._tail: LogTail | None = None
        self._wake = threading.Event()
        self._is_ending = threading.Event()

    def follow_log(self, run: Path | None) -> None:
        """Follow this run's log, and poll at once. With None, stop following a log."""
        if run != self.followed_run:
            self.followed_run = run
            self._wake.set()

    def poll_now(self) -> None:
        """Poll at once."""
        self._wake.set()

    def end(self) -> None:
        """End the thread after its current poll."""
        self._is_ending.set()
        self._wake.set()

    def run(self) -> None:
        """Poll and post messages until `end` is called. Run this in a thread worker."""
        worker, meter, began = get_current_worker(), None, time.monotonic()
        while not (self._is_ending.is_set() or worker.is_cancelled):
            self._wake.clear()
            if terminal.has_hung_up():
                self._post(HungUp())
            self._poll_runs()
            self._poll_log(self.followed_run)
            # The imports and the first call of the GPU driver would delay the first paint.
            if time.monotonic() - began >= POLL_INTERVAL:
                self._prepare()
                _enable_garbage_collection()
                meter = meter or LoadMeter()
                load = meter.poll()
                if load is not None:
                    self._post(LoadSampled(load))
            self._wake.wait(POLL_INTERVAL)

    def _poll_runs(self) -> None:
        seen: tuple[tuple[RunSnapshot, ...], str]
        try:
            seen = self._watcher.poll(), ""
        except RunError as error:
            seen = (), str(error)
        if seen != self._last_runs:
            self._last_runs = seen
            self._post(RunsChanged(*seen))

    def _poll_log(self, run: Path | None) -> None:
        if run is None:
            return
        is_new = self._tail is None or self._tail.path.parent != run
        if self._tail is None or is_new:
            self._tail = LogTail(run / LOG)
        lines = self._tail.read_new_lines()
        if lines or is_new:
            self._post(LogGrown(run, lines, is_new=is_new))


def _enable_garbage_collection() -> None:
    """Enable garbage collection, which `fer_tui.cli` disables until the first paint.

    The existing objects are frozen, so that they are never collected.
    """
    if not gc.isenabled():
        gc.enable()
        gc.freeze()
