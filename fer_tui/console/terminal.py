"""Redirect TensorFlow's output from the terminal to a log, and handle signals."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from core.system.folders import user_folder
from core.system.log import log_to_stderr
from core.system.signals import SIGNALS
from fer_tui.console import output


def app_log_path() -> Path:
    """Return the path of the app's log, for output outside a run; /dev/null if it can't be created."""
    folder = user_folder("log")
    if folder is None:
        return Path(os.devnull)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "fer-tui.log").open("ab"):
            # Resolve the path: the user may have replaced the log by a symbolic link.
            return (folder / "fer-tui.log").resolve()
    except OSError:
        return Path(os.devnull)


def has_hung_up() -> bool:
    """Return whether the terminal on stdin is closed.

    Only a process whose controlling terminal it was receives SIGHUP. Other processes would read end of file in a loop.
    """
    try:
        termios.tcgetattr(0)
    except termios.error as error:
        return error.args[0] == errno.EIO
    return False


class _Lasting(io.FileIO):
    """A terminal or pipe that may be closed during a run: writes to it then raise no error."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError:
            return len(content)


@contextlib.contextmanager
def keep_messages_on_terminal() -> Iterator[None]:
    """Send messages to a copy of stderr inside the block, so that descriptor 2 can be redirected to a log."""
    before = output.terminal_copy
    with contextlib.suppress(OSError):
        output.message_stream().flush()
    with io.TextIOWrapper(
        io.BufferedWriter(_Lasting(os.dup(2), "w")), sys.stderr.encoding or "utf-8", errors="backslashreplace"
    ) as copy:
        output.terminal_copy = copy
        try:
            yield
        finally:
            output.terminal_copy = before


@contextlib.contextmanager
def reserve_terminal() -> Iterator[None]:
    """Reserve the terminal for Textual inside the block: redirect descriptors 1 and 2 to the app's log.

    Textual draws on `sys.__stderr__` and reads the terminal's size from `sys.__stdout__`. TensorFlow's C++ code writes
    to descriptor 2 too.
    """
    names, before = ("__stdout__", "__stderr__"), (sys.__stdout__, sys.__stderr__, sys.stdout, sys.stderr)
    kept = [os.dup(number) for number in (1, 2)]
    log = os.open(app_log_path(), os.O_WRONLY | os.O_APPEND)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, log)
        for number, name, descriptor in zip((1, 2), names, kept, strict=True):
            copy = stack.enter_context(
                io.TextIOWrapper(io.BufferedWriter(_Lasting(descriptor, "w")), "utf-8", errors="backslashreplace")
            )
            setattr(sys, name, copy)
            os.dup2(log, number)
        stack.enter_context(log_to_stderr())
        sys.stdout, sys.stderr = (os.fdopen(os.dup(log), "w", buffering=1) for _ in names)
        try:
            yield
        finally:
            sys.stdout.close()
            sys.stderr.close()
            for number, descriptor in zip((1, 2), kept, strict=True):
                os.dup2(descriptor, number)
            sys.__stdout__, sys.__stderr__, sys.stdout, sys.stderr = before


@contextlib.contextmanager
def signals_to(stop: Callable[[], None], force: Callable[[], None]) -> Iterator[list[int]]:
    """Call `stop` at the first SIGINT, SIGTERM or SIGHUP; at the second, call `force` and end the process.

    Yields:
        The received signals, for the exit status 128 + number.
    """
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            output.print_message("stopping after this batch; press Ctrl+C again to exit at once")
            stop()
        else:
            force()
            os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
