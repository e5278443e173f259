"""Detect changes in a folder of runs, a log and the system load; a poll of an ended run costs a few `stat` calls."""

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
    """Snapshots of all runs in a folder. An unchanged run keeps the same snapshot object.

    It polls, because network file systems do not report changes.
    """

    def __init__(self, folder: Path) -> None:
        """Watch `folder`, which need not exist yet."""
        self.folder = folder
        self._known: dict[Path, tuple[Stamp, RunSnapshot]] = {}

    def poll(self) -> tuple[RunSnapshot, ...]:
        """Return the current snapshots of the runs, newest first.

        Raises:
            RunError: the folder can't be read.
        """
        self._known = {path: self._poll_run(path) for path in list_runs(self.folder)}
        return tuple(snapshot for _, snapshot in self._known.values())

    def _poll_run(self, path: Path) -> tuple[Stamp, RunSnapshot]:
        stamp = _stamp(path)
        before = self._known.get(path)
        if before is None or before[0] != stamp:
            # Keep the history object if its file has not changed: the plots compare it by identity.
            is_known = before is not None and before[0][_HISTORY_AT] == stamp[_HISTORY_AT]
            return stamp, read_run(path, before[1].history if before and is_known else None)
        if before[1].state in FINAL_STATES:
            return before
        # Read an unended run at each poll: it may be interrupted without a change of its files.
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
    """Reads the new lines of a growing text file, at most MAX_LOG_BYTES bytes at a time."""

    def __init__(self, path: Path) -> None:
        """Follow the file at `path`, which need not exist yet."""
        self.path = path
        self._offset = 0

    def read_new_lines(self) -> list[str]:
        """Return the complete lines added since the last call, at most the last MAX_LOG_BYTES bytes."""
        try:
            with open_to_read(self.path) as file:
                size = file.seek(0, 2)
                # A file that is shorter than before was rewritten: read it from its start.
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
    """Samples the system load at most every LOAD_INTERVAL seconds."""

    def __init__(self) -> None:
        sample_load()  # psutil measures since the previous call, so the first sample is discarded
        self._due = time.monotonic() + LOAD_INTERVAL / 4
        self._last_load: SystemLoad | None = None

    def poll(self) -> SystemLoad | None:
        """Return the load if a sample is due and differs from the last one, else None."""
        if time.monotonic() < self._due:
            return None
        self._due = time.monotonic() + LOAD_INTERVAL
        load = sample_load()
        if load == self._last_load:
            return None
        self._last_load = load
        return load
