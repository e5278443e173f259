"""Processes by which runs are written: what names one, and whether it still works."""

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
    """What names this process to readers."""

    pid: int  # its number
    host: str  # network name of its machine
    started: float  # seconds since 1970, as the clock has it now
    birth: str | None  # see `birth`


class Owner(TypedDict, total=False):
    """What a file says of the process that wrote it."""

    pid: int | None  # its number
    host: str | None  # network name of its machine
    started: float | None  # seconds since 1970
    birth: str | None  # see `birth`
    heartbeat: float | None  # when it last wrote the file, seconds since 1970


def this_process() -> ThisProcess:
    """What names this process to readers: pid, host, and its start, since pids are used again.

    `started` is in seconds since 1970, as the clock has it now; `birth` (see `birth`) stays the same when it is set.
    """
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": psutil.Process().create_time(),
        "birth": process_start_id(os.getpid()),
    }


def process_start_id(pid: int) -> str | None:
    """The machine's start and the clock ticks from it to the process's own; None where Linux does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The name, in parentheses, may hold anything; the start is the 22nd field.
        return f"{boot} {stat.rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return None


def is_alive(owner: Owner) -> bool:
    """Whether the process that `pid`, `host` and its start (or `heartbeat`) name still works.

    On this host the process table decides, start included, since pids are used again; on another host a heartbeat of
    the last minute does.
    """
    if owner.get("host") == socket.gethostname():
        return same_process(owner.get("pid"), owner.get("started"), owner.get("birth"))
    heartbeat = owner.get("heartbeat")
    # One from the future is a clock that jumped, and may be of long ago.
    return heartbeat is not None and abs(time.time() - heartbeat) < HEARTBEAT_LIMIT


def same_process(pid: int | None, started: float | None, start_id: str | None = None) -> bool:
    """Whether a process of this host is running that has this pid and start.

    Args:
        pid: its number; None is no process.
        started: seconds since 1970; None where it is not known. Counts where `born` does not.
        born: its `birth`; None where it is not known.
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


# Of a training in the process of the screens: beside one that does not give way it gets a third of a processor.
NICENESS = 5


def lower_priority(thread: int) -> None:
    """Let a thread, and those that it starts from now on, give way to all that is done for somebody who waits.

    On Linux the niceness is a thread's own, and TensorFlow's threads inherit that of the first to use it. Where
    nothing else wants the processors, it costs nothing.
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
) -> subprocess.Popen[bytes]:
    """Start one of our modules in a session of its own: Ctrl+C and a dropped line reach us alone.

    The child finds our modules where this process found them. Without Python's `-P` it would look in its working
    directory first, and a `core` package there, as in many Django projects, would hide ours.

    Args:
        module: its name.
        words: its arguments.
        log: the file that what it says is added to.
        environment: its variables.
        stdin: as `subprocess.Popen` takes it.
        folder: its working directory; None for this process's.
    """
    with os.fdopen(files.open_to_append(log), "ab") as said:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module, *words],
            stdin=stdin,
            stdout=said,
            stderr=said,
            start_new_session=True,
            cwd=folder,
            env={**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
