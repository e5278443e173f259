"""The lock of a run directory: only one process at a time writes it, on any host that shares the file system."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import time
import uuid
from pathlib import Path

from core.errors import RunError
from core.runs.names import LOCK, STATUS
from core.runs.reader import read_json
from core.runs.schema import LockFile, StatusFile, valid_fields
from core.system import files
from core.system.processes import is_alive, this_process

# Several processes may want a lock without an owner. One takes it over, the others try again this many times.
ATTEMPTS = 25
PAUSE = 0.2
# Seconds to wait for a heartbeat of an owner on another host, whose clock may be wrong. Heartbeats are more frequent.
WATCH = 6.0


class RunLock:
    """A run's file `lock`: JSON that names the process that writes the run.

    File system locks are not used because some NFS servers do not support them.
    """

    def __init__(self, run: Path) -> None:
        """Prepare the lock; `acquire` takes it.

        Args:
            run: the run directory.
        """
        self.run = run
        self.path = run / LOCK
        content: LockFile = {**this_process(), "heartbeat": time.time(), "token": uuid.uuid4().hex}
        self._mine = json.dumps(content).encode()

    def acquire(self) -> None:
        """Acquire the lock. Take it over if its process no longer exists.

        Raises:
            RunError: another process holds the lock, or the directory can't be written.
        """
        try:
            for attempt in range(ATTEMPTS):
                if self._create():
                    return
                seen = self._read()
                # On the first attempts, the owner may still be writing a lock that reads as damaged.
                if seen is not None and (_owner(seen) is not None or attempt > 1):
                    self._refuse_if_owned(seen)
                    if self._take_over(seen, is_patient=attempt < ATTEMPTS // 2):
                        return
                time.sleep(PAUSE)
        except OSError as error:
            raise RunError(f"{self.run}: {error.strerror}; it must be writable") from None
        raise RunError(f"{self.path}: can't be acquired; remove it if no process works on the run")

    def check_free(self) -> None:
        """Check that no process holds the lock, without acquiring it.

        Raises:
            RunError: a process holds the lock, or the lock can't be read.
        """
        try:
            seen = self._read()
        except OSError as error:
            raise RunError(f"{self.path}: {error.strerror}; it must be readable") from None
        if seen is not None:
            self._refuse_if_owned(seen)

    def is_held(self) -> bool:
        """Return whether this process still holds the lock. Create the lock again if it was removed.

        A process that paused for a minute, for example because the machine slept, may have lost its lock to another
        host.
        """
        try:
            return self._read() == self._mine or self._create()
        except OSError:
            return False

    def release(self) -> None:
        """Release the lock if this process holds it."""
        with contextlib.suppress(OSError):
            if self._read() == self._mine:
                self.path.unlink()

    def _create(self) -> bool:
        return _write_new(self.path, self._mine)

    def _read(self) -> bytes | None:
        try:
            return files.read_bytes(self.path)
        except FileNotFoundError:
            return None

    def _refuse_if_owned(self, seen: bytes) -> None:
        owner = _owner(seen)
        if owner is None:
            return
        if is_alive({**owner, "heartbeat": self._last_beat(owner)}) or self._is_seen_to_beat(owner):
            raise RunError(
                f"{self.run.name}: process {owner.get('pid')} on {owner.get('host')} is working on it; "
                f"wait for it or 'fer-tui stop {self.run.name}'"
            )

    def _is_seen_to_beat(self, owner: LockFile) -> bool:
        """Watch an owner on another host for WATCH seconds and return whether its heartbeat changes.

        The comparison does not depend on the other host's clock.
        """
        if owner.get("host") == socket.gethostname():
            return False
        before, end = self._last_beat(owner), time.monotonic() + WATCH
        while time.monotonic() < end:
            time.sleep(PAUSE)
            if self._last_beat(owner) != before:
                return True
        return False

    def _last_beat(self, owner: LockFile) -> float | None:
        """Return the owner's latest heartbeat, from the lock or the status; None without any.

        A process that waits in a queue for the run writes the status too. Its heartbeat is ignored.
        """
        status = valid_fields(read_json(self.run / STATUS), StatusFile)
        is_owners = all(status.get(name) in (None, owner.get(name)) for name in ("pid", "host"))
        beats = (owner.get("heartbeat"), status.get("heartbeat") if is_owners else None)
        return max((beat for beat in beats if beat is not None), default=None)

    def _take_over(self, seen: bytes, *, is_patient: bool) -> bool:
        """Replace a lock without an owner. Return false if another process is replacing it.

        A claim file, named after the hash of the old lock, ensures that only one process replaces the lock: the first
        one to create the file.
        """
        claim = self.path.with_name(f"lock.{hashlib.sha256(seen).hexdigest()[:16]}")
        if not _write_new(claim, b""):
            if not is_patient:
                # The process that created the claim ended before it could remove it.
                claim.unlink(missing_ok=True)
            return False
        try:
            if self._read() != seen:
                return False
            files.write_bytes(self.path, self._mine)
        finally:
            claim.unlink(missing_ok=True)
        return True


def _write_new(path: Path, content: bytes) -> bool:
    """Create a file and return true; false if the path exists."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return True


def _owner(content: bytes) -> LockFile | None:
    """Return the process that a lock names; None for a damaged lock."""
    try:
        owner = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return valid_fields(owner, LockFile) if isinstance(owner, dict) and owner else None
