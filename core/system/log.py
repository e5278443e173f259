"""Logs of a run or a program: the records of our loggers and TensorFlow's output on file descriptor 2.

Each module under `core` has a logger of the standard library's `logging`, below the logger `core`. These loggers have
no handler, so that a notebook can silence or redirect them like the loggers of any other library.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from core.system import files

# The parent of all loggers of core.
CORE = "core"


class _DescriptorHandler(logging.Handler):
    """Writes each record to file descriptor 2 instead of `sys.stderr`, which a screen may have replaced."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        formatter = logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        # A full disk loses log records, but must not end the work.
        with contextlib.suppress(OSError):
            os.write(2, f"{self.format(record)}\n".encode(errors="backslashreplace"))


class _Attached:
    """The single handler, attached to our loggers while any block needs it."""

    def __init__(self) -> None:
        self._handler = _DescriptorHandler()
        self._mutex = threading.Lock()
        self._blocks = 0
        self._level = logging.NOTSET

    def __enter__(self) -> None:
        logger = logging.getLogger(CORE)
        with self._mutex:
            if not self._blocks:
                self._level = logger.level
                logger.addHandler(self._handler)
                if self._level == logging.NOTSET:
                    logger.setLevel(logging.INFO)
            self._blocks += 1

    def __exit__(self, *error: object) -> None:
        logger = logging.getLogger(CORE)
        with self._mutex:
            self._blocks -= 1
            if not self._blocks:
                logger.removeHandler(self._handler)
                logger.setLevel(self._level)


_ATTACHED = _Attached()


@contextlib.contextmanager
def log_to_stderr() -> Iterator[None]:
    """Inside the block, write our log records of level INFO and above to file descriptor 2, each with the UTC time.

    Blocks can be nested and used in several threads. Each record is written once.
    """
    with _ATTACHED:
        yield


@contextlib.contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Inside the block, append our log records and everything written to file descriptor 2 to a file.

    TensorFlow's C++ code writes to descriptor 2. Code that draws on the terminal must use a copy of the descriptor
    made before the block.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    handle = files.open_to_append(path)
    os.dup2(handle, 2)
    os.close(handle)
    try:
        with log_to_stderr():
            yield
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
