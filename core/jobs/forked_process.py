"""A fork of this process that does one thing, so that nothing is imported again. Its parent survives what ends it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO

from core.system import files
from core.system.signals import end_with_parent


def can_fork() -> bool:
    """Return whether this process can fork safely.

    Threads of Python or TensorFlow would be missing in the child, with the locks that they hold. macOS's own libraries
    use threads too.
    """
    return sys.platform == "linux" and threading.active_count() == 1 and "tensorflow" not in sys.modules


class ForkedProcess:
    """A child process; it has the part of `subprocess.Popen` that a queue uses.

    Create it only if `can_fork`. The child ends with its parent.

    Attributes:
        pid: the child's process id.
        stdout: what the child writes to file descriptor 1; it ends when the child ends.
    """

    def __init__(self, work: Callable[[], int], log: Path) -> None:
        """Fork, and work in the child.

        Args:
            work: what the child does; returns its exit status.
            log: the file to append to what the child writes to file descriptor 2.

        Raises:
            OSError: this user may not start another process.
        """
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        parent, (reading, writing) = os.getpid(), os.pipe()
        try:
            self.pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if self.pid == 0:
            _work(work, log, parent, writing)
        os.close(writing)
        self.stdout: IO[bytes] = os.fdopen(reading, "rb")

    def wait(self) -> int:
        """Wait until the child has ended; return its exit status, or minus the signal that ended it."""
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def send_signal(self, number: signal.Signals, /) -> None:
        """Send a signal to the child, which must not have been waited for."""
        os.kill(self.pid, number)


def _work(work: Callable[[], int], log: Path, parent: int, report: int) -> None:
    """Work in the child, and end it without what the parent registered to be done at exit."""
    status = 1
    try:
        end_with_parent(parent)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(report, 1)
        try:
            error_output = files.open_to_append(log)
        except OSError:
            # The work meets the same error and reports it.
            error_output = os.open(os.devnull, os.O_WRONLY)
        os.dup2(error_output, 2)
        status = work()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
