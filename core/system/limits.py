"""Limits of this process (`ulimit`) that end or block TensorFlow, and signals that ended a process."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Mapping

import psutil

from core.errors import FerError
from core.system.files import MIB

# With less virtual memory, the libraries of TensorFlow 2.21 for the CPU do not load: it aborts, or it stands still. A
# training needs more.
MIN_ADDRESS_SPACE = 2700 * MIB
# The threads that TensorFlow starts on one core. It starts more on several cores.
MIN_THREADS = 8
# Limits that can end a process without a word.
_DEADLY = (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_CPU)
_LOW_LIMIT = "a limit of memory or processes may be too low ('ulimit -v', 'ulimit -u')"
_CAUSES: Mapping[int, str] = {
    signal.SIGABRT: _LOW_LIMIT,
    signal.SIGSEGV: _LOW_LIMIT,
    signal.SIGBUS: _LOW_LIMIT,
    signal.SIGKILL: "a common cause is a lack of memory",
    signal.SIGXCPU: "its CPU time is used up ('ulimit -t')",
    signal.SIGILL: "TensorFlow needs instructions that this processor lacks",
}


def check_limits() -> None:
    """Check that this process's limits let TensorFlow start. A limit that is high enough for that may still be too low.

    Raises:
        FerError: a limit is too low.
    """
    for name, flag in ((resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d")):
        soft, _ = resource.getrlimit(name)
        if 0 <= soft < MIN_ADDRESS_SPACE:
            raise FerError(
                f"the limit of memory 'ulimit {flag}' is {soft // 1024}; TensorFlow needs at least "
                f"{MIN_ADDRESS_SPACE // 1024}: raise the limit"
            )
    left = _threads_left()
    if left is not None and left < MIN_THREADS:
        raise FerError(
            f"the limit of processes 'ulimit -u' leaves {max(left, 0)} threads; TensorFlow needs at least "
            f"{MIN_THREADS}: raise the limit, or end other processes"
        )


def describe_thread_limit(error: Exception) -> str:
    """Return a message about an error of Python that no more threads can be started; empty for any other error."""
    if str(error) != "can't start new thread":
        return ""
    return "no more threads can be started; raise the limit of processes ('ulimit -u')"


def can_end_process() -> bool:
    """Return whether this process has a limit whose excess ends it, or makes TensorFlow end it."""
    return any(resource.getrlimit(name)[0] != resource.RLIM_INFINITY for name in _DEADLY)


def _threads_left() -> int | None:
    """Return how many threads this user may still start; None if there is no limit or it is far away."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    # The limit does not apply to root. Counting the threads of all processes takes a moment.
    if os.geteuid() == 0 or not 0 <= soft < 2000:
        return None
    count, user = 0, os.getuid()
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids = process.info["uids"]
        if uids is not None and uids.real == user:
            count += process.info["num_threads"] or 0
    return soft - max(count, threading.active_count())


def describe_signal(number: int, log: str = "log.txt") -> str:
    """Return a message about a process that a signal ended: the signal, its log, and a likely cause."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    cause = _CAUSES.get(number)
    if number == signal.SIGKILL and resource.getrlimit(resource.RLIMIT_CPU)[0] != resource.RLIM_INFINITY:
        cause = "common causes are a limit of CPU time ('ulimit -t') and a lack of memory"
    return f"its process was ended by {name}; {log} has the rest" + (f"; {cause}" if cause else "")
