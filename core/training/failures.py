"""What an error in the middle of a run means to its user: one line that says what to do."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

from core.errors import FerError, first_line

logger = logging.getLogger(__name__)

# A run keeps its settings when it goes on, so that these are for a new one.
_SMALLER = "begin again with a lower batch size, image size or width"


def explain_error(error: Exception, run: Path) -> str:
    """The error as a run's message; what nobody foresaw goes to the log with its traceback (call it while handling)."""
    if isinstance(error, FerError):
        return str(error)
    logger.exception("the training failed")
    if isinstance(error, OSError):
        return _system_message(error, run)
    if isinstance(error, MemoryError):
        return f"out of memory; close other programs and resume, or {_SMALLER}"
    if type(error).__name__ == "ResourceExhaustedError":
        return f"the device is out of memory; free it and resume, or {_SMALLER}"
    return f"{type(error).__name__}: {first_line(error, 'no message')[:200]}; the traceback is in log.txt"


def _system_message(error: OSError, run: Path) -> str:
    where = error.filename or run
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{where}: the disk is full; free some space"
    if error.errno == errno.EROFS:
        return f"{where}: the file system has become read-only; make it writable"
    if error.errno == errno.ELOOP:
        return f"{where}: is a symbolic link, and a run's files are its own; remove it"
    if error.errno == errno.EACCES:
        return f"{where}: permission denied; make it writable"
    return f"{where}: {error.strerror or error}; see log.txt"
