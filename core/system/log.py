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
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from core.system import files

# The parent of all loggers of core.
CORE = "core"


class _DescriptorHandler(logging.Handler):
    """Writes each record to a file descriptor instead of `sys.stderr`, which a screen may have replaced."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(logging.INFO)
        self._descriptor = descriptor
        formatter = logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        # A full disk loses log records, but must not end the work.
        with contextlib.suppress(OSError):
            os.write(self._descriptor, f"{self.format(record)}\n".encode(errors="backslashreplace"))


class _Handlers:
    """The handlers of our loggers, one for each file descriptor, attached while any block needs them."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._blocks: Counter[int] = Counter()
        self._handlers: dict[int, _DescriptorHandler] = {}
        self._level = logging.NOTSET

    @contextlib.contextmanager
    def attach(self, descriptor: int) -> Iterator[None]:
        """Inside the block, write our log records to the descriptor, once each."""
        logger = logging.getLogger(CORE)
        with self._mutex:
            if not self._handlers:
                self._level = logger.level
                if self._level == logging.NOTSET:
                    logger.setLevel(logging.INFO)
            self._blocks[descriptor] += 1
            if descriptor not in self._handlers:
                self._handlers[descriptor] = _DescriptorHandler(descriptor)
                logger.addHandler(self._handlers[descriptor])
        try:
            yield
        finally:
            with self._mutex:
                self._blocks[descriptor] -= 1
                if not self._blocks[descriptor]:
                    logger.removeHandler(self._handlers.pop(descriptor))
                if not self._handlers:
                    logger.setLevel(self._level)


_HANDLERS = _Handlers()


@contextlib.contextmanager
def log_to_stderr() -> Iterator[None]:
    """Inside the block, write our log records of level INFO and above to file descriptor 2, each with the UTC time.

    Blocks can be nested and used in several threads. Each record is written once.
    """
    with _HANDLERS.attach(2):
        yield


@contextlib.contextmanager
def log_records_to_file(path: Path) -> Iterator[None]:
    """Inside the block, append our log records from level INFO on to a file; file descriptor 2 stays as it is."""
    descriptor = files.open_to_append(path)
    try:
        with _HANDLERS.attach(descriptor):
            yield
    finally:
        os.close(descriptor)


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
