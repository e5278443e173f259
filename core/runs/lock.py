"""The lock of a run directory: one process at a time writes it, on whichever host that can see it."""

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

# A lock that nobody owns is taken over by one of those that want it; the others look again so often.
ATTEMPTS = 25
PAUSE = 0.2
# So long another host's silent owner is watched: its clock may be wrong, but its heart beats more often than this.
WATCH = 6.0


class RunLock:
    """A run's file `lock`: who writes the run, as JSON. No lock of the file system's, since not every NFS has them."""

    def __init__(self, run: Path) -> None:
        """`run`: the directory."""
        self.run = run
        self.path = run / LOCK
        told: LockFile = {**this_process(), "heartbeat": time.time(), "token": uuid.uuid4().hex}
        self._mine = json.dumps(told).encode()

    def acquire(self) -> None:
        """Take the run; the lock of a process that is gone is taken over.

        Raises:
            RunError: another process has it; the directory can't be written.
        """
        try:
            for attempt in range(ATTEMPTS):
                if self._create():
                    return
                seen = self._read()
                # A damaged one its owner may just be writing.
                if seen is not None and (_owner(seen) is not None or attempt > 1):
                    self._refuse_if_owned(seen)
                    if self._take_over(seen, is_patient=attempt < ATTEMPTS // 2):
                        return
                time.sleep(PAUSE)
        except OSError as error:
            raise RunError(f"{self.run}: {error.strerror}; it must be writable") from None
        raise RunError(f"{self.path}: can't be taken; remove it if no process works on the run")

    def check_free(self) -> None:
        """See that no process has the run, without taking it.

        Raises:
            RunError: one has it; the lock can't be read.
        """
        try:
            seen = self._read()
        except OSError as error:
            raise RunError(f"{self.path}: {error.strerror}; it must be readable") from None
        if seen is not None:
            self._refuse_if_owned(seen)

    def is_held(self) -> bool:
        """Whether the run is still ours; a lock that somebody removed is taken again.

        A process that did not run for a minute, with its machine asleep, may have been taken for dead on another host.
        """
        try:
            return self._read() == self._mine or self._create()
        except OSError:
            return False

    def release(self) -> None:
        """Give the run back, if it is ours."""
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
        """Whether an owner on another host is at work after all, by a clock that is not ours."""
        if owner.get("host") == socket.gethostname():
            return False
        before, end = self._last_beat(owner), time.monotonic() + WATCH
        while time.monotonic() < end:
            time.sleep(PAUSE)
            if self._last_beat(owner) != before:
                return True
        return False

    def _last_beat(self, owner: LockFile) -> float | None:
        """The later of the lock's own heartbeat, which counts until the first status is written, and the status's.

        Who waits to take the run over says so in the status: that is no sign of the owner's life.
        """
        status = valid_fields(read_json(self.run / STATUS), StatusFile)
        is_owners = all(status.get(name) in (None, owner.get(name)) for name in ("pid", "host"))
        beats = (owner.get("heartbeat"), status.get("heartbeat") if is_owners else None)
        return max((beat for beat in beats if beat is not None), default=None)

    def _take_over(self, seen: bytes, *, is_patient: bool) -> bool:
        """Put our lock in the place of one that nobody owns, unless somebody else does so at the same moment.

        Who makes the claim, a file named after the lock that is to go, is the only one to replace it.
        """
        claim = self.path.with_name(f"lock.{hashlib.sha256(seen).hexdigest()[:16]}")
        if not _write_new(claim, b""):
            if not is_patient:
                # Its maker died before it was done.
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
    """Make a file; false where there is something already."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return True


def _owner(content: bytes) -> LockFile | None:
    """Who a lock names; None for a damaged one."""
    try:
        owner = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return valid_fields(owner, LockFile) if isinstance(owner, dict) and owner else None
