"""Sending what TensorFlow and Python say to a file, for as long as a run or a program lasts."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from core.system import files


@contextlib.contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Append file descriptor 2, where TensorFlow's C++ code writes, to a file inside the block.

    Whoever draws on the terminal must do so on a copy of the descriptor made before.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    handle = files.open_to_append(path)
    os.dup2(handle, 2)
    os.close(handle)
    try:
        yield
    finally:
        # What a full disk did not take is lost; the work is not.
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def say_traceback() -> None:
    """Write the traceback of the exception that is being handled."""
    say(traceback.format_exc())


def say(line: str) -> None:
    """Write a line with the time to file descriptor 2, which is the run's log while a run lasts."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    with contextlib.suppress(OSError):
        os.write(2, f"{stamp}  {line}\n".encode(errors="backslashreplace"))
