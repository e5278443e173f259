"""A worker that is a fork of this process, so that nothing is imported again. Its parent survives what ends it."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import IO

from core.jobs.worker import main
from core.runs.names import LOG
from core.system import files
from core.system.signals import end_with_parent

# Forking is not safe on macOS, whose libraries use threads.
CAN_FORK = sys.platform == "linux"


class ForkedWorker:
    """A child process that trains a run; it has the part of `subprocess.Popen` that a queue uses.

    Fork before this process starts threads or loads TensorFlow. The child ignores SIGINT and SIGHUP, which a terminal
    sends to both processes: its parent decides. SIGTERM stops the training after the current batch. The child ends with
    its parent.

    Attributes:
        pid: the child's process id.
        stdout: what the child reports; it ends when the child ends.
    """

    def __init__(self, run: Path) -> None:
        """Fork, and train in the child.

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
            _train(run, parent, writing)
        os.close(writing)
        self.stdout: IO[bytes] = os.fdopen(reading, "rb")

    def wait(self) -> int:
        """Wait until the child has ended; return its exit status, or minus the signal that ended it."""
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the child, which must not have been waited for."""
        os.kill(self.pid, number)


def _train(run: Path, parent: int, report: int) -> None:
    """Train a run in the child, and end the process without what the parent registered to be done at exit."""
    status = 1
    try:
        end_with_parent(parent)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(report, 1)
        try:
            log = files.open_to_append(run / LOG)
        except OSError:
            # The training meets the same error and reports it.
            log = os.open(os.devnull, os.O_WRONLY)
        os.dup2(log, 2)
        status = main([run], is_supervised=True)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
