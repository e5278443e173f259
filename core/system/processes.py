"""Identity, state, priority and start of processes that write runs."""

# Without `from __future__ import annotations`: core.runs.schema uses the annotations of `Owner`.

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypedDict

import psutil

from core.system import files

HEARTBEAT_LIMIT = 60.0


class ThisProcess(TypedDict):
    """The identity of this process."""

    pid: int  # process id
    host: str  # host name
    started: float  # start time in seconds since 1970, by the current clock
    birth: str | None  # see `process_start_id`


class Owner(TypedDict, total=False):
    """The identity of the process that wrote a file."""

    pid: int | None  # process id
    host: str | None  # host name
    started: float | None  # start time in seconds since 1970
    birth: str | None  # see `process_start_id`
    heartbeat: float | None  # time of the last write in seconds since 1970


def this_process() -> ThisProcess:
    """Return the identity of this process: pid, host and start, because pids are reused.

    `started` is in seconds since 1970 and changes if the clock is set. `birth` (see `process_start_id`) does not.
    """
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": psutil.Process().create_time(),
        "birth": process_start_id(os.getpid()),
    }


def process_start_id(pid: int) -> str | None:
    """Return the machine's boot id and the clock ticks from boot to the process's start; None if unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The process name, in parentheses, may contain any characters. The start is the 22nd field.
        return f"{boot} {stat.rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return None


def is_alive(owner: Owner) -> bool:
    """Return whether a process is still running.

    For a process of this host the process table decides, by pid and start, because pids are reused. For a process of
    another host, a heartbeat within the last minute decides.
    """
    if owner.get("host") == socket.gethostname():
        return same_process(owner.get("pid"), owner.get("started"), owner.get("birth"))
    heartbeat = owner.get("heartbeat")
    # A heartbeat in the future means that a clock was set back: the heartbeat may be old.
    return heartbeat is not None and abs(time.time() - heartbeat) < HEARTBEAT_LIMIT


def same_process(pid: int | None, started: float | None, start_id: str | None = None) -> bool:
    """Return whether a process with this pid and start is running on this host.

    Args:
        pid: the process id; None for no process.
        started: the start time in seconds since 1970; None if unknown. It is used only if `start_id` is unknown.
        start_id: the result of `process_start_id`; None if unknown.
    """
    if pid is None or pid <= 0:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if start_id is not None and (now := process_start_id(pid)) is not None:
            return now == start_id
        return started is None or abs(process.create_time() - started) < 2
    except (psutil.Error, OverflowError):
        return False


# The niceness of a training run in the app's process. When it competes with a normal thread, it gets about a third of a
# core's time.
NICENESS = 5


def lower_priority(thread: int) -> None:
    """Lower the priority of a thread and of the threads that it starts, so that the app stays responsive.

    On Linux each thread has its own niceness, and TensorFlow's threads inherit the niceness of the thread that first
    uses TensorFlow. A lower priority costs nothing while the processors are otherwise idle.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, NICENESS)


def start_detached(
    module: str,
    words: Iterable[str],
    log: Path,
    environment: Mapping[str, str] = os.environ,
    stdin: int = subprocess.DEVNULL,
    folder: Path | None = None,
    stdout: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start one of our modules in a new session, so that Ctrl+C or a lost connection does not end it.

    The child has the same import path as this process. Without Python's `-P` it would search its working directory
    first, and a `core` package there, as in many Django projects, would hide ours.

    Args:
        module: the module's name.
        words: the command line arguments.
        log: the file to append the output to.
        environment: the environment variables.
        stdin: standard input, as in `subprocess.Popen`.
        folder: the working directory; None for this process's working directory.
        stdout: standard output, as in `subprocess.Popen`; None for the log.
    """
    with os.fdopen(files.open_to_append(log), "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module, *words],
            stdin=stdin,
            stdout=output if stdout is None else stdout,
            stderr=output,
            start_new_session=True,
            cwd=folder,
            env={**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
