"""Signals of a process that does nothing but train, on Linux. The functions call the C library, in any thread."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Larger than a struct sigaction of any C library. Filled with zeros it says: the default action.
_SIGACTION_BYTES = 512
_PR_SET_PDEATHSIG = 1


@contextlib.contextmanager
def default_signals() -> Iterator[None]:
    """Inside the block, SIGINT, SIGTERM and SIGHUP end the process at once.

    A handler in Python would wait for the interpreter, which TensorFlow blocks while it loads, for ever if it hangs. An
    ignored signal stays ignored.
    """
    if sys.platform != "linux":
        yield
        return
    # The screens use SIGNALS, and don't need this module.
    import ctypes

    c_library = ctypes.CDLL(None)
    default = ctypes.create_string_buffer(_SIGACTION_BYTES)
    before = {}
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            before[number] = ctypes.create_string_buffer(_SIGACTION_BYTES)
            c_library.sigaction(int(number), default, before[number])
    try:
        yield
    finally:
        for number, action in before.items():
            c_library.sigaction(int(number), action, None)


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends for any reason.

    Args:
        parent: the parent's process id. If the parent has ended already, so does this process.
    """
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)
