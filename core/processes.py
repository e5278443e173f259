"""Processes by which runs are written: what names one, and whether it still works."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

HEARTBEAT_LIMIT = 60.0


def this_process() -> dict[str, Any]:
    """What names this process to readers: pid, host, and its start, since pids are used again.

    `started` is in seconds since 1970, as the clock has it now; `birth` (see `birth`) stays the same when it is set.
    """
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": psutil.Process().create_time(),
        "birth": birth(os.getpid()),
    }


def birth(pid: int) -> str | None:
    """The machine's start and the clock ticks from it to the process's own; None where Linux does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The name, in parentheses, may hold anything; the start is the 22nd field.
        return f"{boot} {stat.rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return None


def is_alive(owner: Mapping[str, Any]) -> bool:
    """Whether the process that `pid`, `host` and its start (or `heartbeat`) name still works.

    On this host the process table decides, start included, since pids are used again; on another host a heartbeat of
    the last minute does.
    """
    if owner.get("host") == socket.gethostname():
        return same_process(owner.get("pid"), owner.get("started"), owner.get("birth"))
    heartbeat = owner.get("heartbeat")
    # One from the future is a clock that jumped, and may be of long ago.
    return isinstance(heartbeat, int | float) and abs(time.time() - heartbeat) < HEARTBEAT_LIMIT


def same_process(pid: Any, started: Any, born: Any = None) -> bool:
    """Whether a process of this host is running that has this pid and start.

    Args:
        pid: its number.
        started: seconds since 1970; None where it is not known. Counts where `born` does not.
        born: its `birth`.
    """
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if isinstance(born, str) and (now := birth(pid)) is not None:
            return now == born
        return not isinstance(started, int | float) or abs(process.create_time() - started) < 2
    except (psutil.Error, OverflowError):
        return False
