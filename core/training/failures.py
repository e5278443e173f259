"""Error messages for runs: one line that says what failed and what to do."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

from core.errors import FerError, first_line

logger = logging.getLogger(__name__)

# A resumed run keeps its settings, so that smaller settings need a new run.
_SMALLER = "start a new run with a smaller batch size, image size or width"


def explain_error(error: Exception, run: Path) -> str:
    """Return an error as a run's message. Call it in the `except` block: it logs the traceback of other errors."""
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
        return f"{where}: this is a symbolic link, but must be a regular file; remove the link"
    if error.errno == errno.EACCES:
        return f"{where}: permission denied; make it writable"
    return f"{where}: {error.strerror or error}; see log.txt"
