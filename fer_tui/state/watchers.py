"""Following a folder of runs: what changed since the last look, at the price of a few `stat` calls."""

from __future__ import annotations

import time
from pathlib import Path

from core.runs.names import CONFIG, ENVIRONMENT, EVALUATION, HISTORY, STATUS
from core.runs.reader import FINAL_STATES, RunSnapshot, list_runs, read_run
from core.system.files import open_to_read
from core.system.hardware import SystemLoad, sample_load

_WATCHED_FILES = (STATUS, HISTORY, EVALUATION, ENVIRONMENT, CONFIG)
_HISTORY_AT = _WATCHED_FILES.index(HISTORY)
MAX_LOG_BYTES = 64 * 1024
LOAD_INTERVAL = 2.0
Stamp = tuple[tuple[int, int], ...]


class RunWatcher:
    """Snapshots of every run of a folder; a run that did not change keeps its snapshot, the very same object.

    Works by polling, since file systems over a network tell of no changes.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: RUNS; it may come into being later."""
        self.folder = folder
        self._known: dict[Path, tuple[Stamp, RunSnapshot]] = {}

    def poll(self) -> tuple[RunSnapshot, ...]:
        """The runs as they are now, newest first.

        Raises:
            RunError: the folder can't be read.
        """
        self._known = {path: self._look_at(path) for path in list_runs(self.folder)}
        return tuple(snapshot for _, snapshot in self._known.values())

    def _look_at(self, path: Path) -> tuple[Stamp, RunSnapshot]:
        stamp = _stamp(path)
        before = self._known.get(path)
        if before is None or before[0] != stamp:
            # The same object says to the plots that no epoch was added.
            is_known = before is not None and before[0][_HISTORY_AT] == stamp[_HISTORY_AT]
            return stamp, read_run(path, before[1].history if before and is_known else None)
        if before[1].state in FINAL_STATES:
            return before
        # A run that goes on is read at each look: it may be interrupted without a file changing.
        now = read_run(path, before[1].history)
        return before if now.state == before[1].state else (stamp, now)


def _stamp(run: Path) -> Stamp:
    stamps = []
    for name in _WATCHED_FILES:
        try:
            status = (run / name).stat()
        except OSError:
            stamps.append((0, 0))
        else:
            stamps.append((status.st_mtime_ns, status.st_size))
    return tuple(stamps)


class LogTail:
    """The end of a growing text file, by whole lines; a look reads no more than MAX_LOG_BYTES bytes."""

    def __init__(self, path: Path) -> None:
        """`path`: it may come into being later."""
        self.path = path
        self._offset = 0

    def read_new_lines(self) -> list[str]:
        """The lines that were added since the last look; the last MAX_LOG_BYTES bytes of them where there are more."""
        try:
            with open_to_read(self.path) as file:
                size = file.seek(0, 2)
                # A file that shrank was written anew.
                start = self._offset if self._offset <= size else 0
                skipped = size - start > MAX_LOG_BYTES
                start = max(start, size - MAX_LOG_BYTES)
                file.seek(start)
                content = file.read(MAX_LOG_BYTES)
        except OSError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset = start + len(whole)
        lines = whole.decode("utf-8", errors="replace").split("\n")[:-1]
        return lines[1:] if skipped else lines


class LoadMeter:
    """The machine's load, looked at no more often than every LOAD_INTERVAL seconds."""

    def __init__(self) -> None:
        sample_load()  # the first one only tells psutil from when on to count
        self._due = time.monotonic() + LOAD_INTERVAL / 4
        self._last_load: SystemLoad | None = None

    def poll(self) -> SystemLoad | None:
        """The load, where it is due and not as it was told last."""
        if time.monotonic() < self._due:
            return None
        self._due = time.monotonic() + LOAD_INTERVAL
        load = sample_load()
        if load == self._last_load:
            return None
        self._last_load = load
        return load
