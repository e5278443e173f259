"""The terminal kept for us alone: TensorFlow's own output goes to a log from before it is imported."""

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

from core.system.log import log_to_stderr
from fer_tui.console import output

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def app_log_path() -> Path:
    """Where what is said outside a run goes; /dev/null where no folder can be made."""
    from platformdirs import user_log_path

    try:
        folder = user_log_path("fer-tui", ensure_exists=True)
        with (folder / "fer-tui.log").open("ab"):
            # A log that its user has put elsewhere by a link is the user's own.
            return (folder / "fer-tui.log").resolve()
    except OSError:
        return Path(os.devnull)


def has_hung_up() -> bool:
    """Whether the terminal that we read from is gone.

    SIGHUP tells of it too, but only to the process whose controlling terminal it was; others would read the end of it
    again and again.
    """
    try:
        termios.tcgetattr(0)
    except termios.error as error:
        return error.args[0] == errno.EIO
    return False


class _Lasting(io.FileIO):
    """A terminal or pipe that may go away while a run lasts: what nobody can read any more is dropped."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError:
            return len(content)


@contextlib.contextmanager
def keep_messages_on_terminal() -> Iterator[None]:
    """Messages go to a copy of the terminal inside the block, so that descriptor 2 can be sent to a log."""
    before = output.terminal_copy
    with contextlib.suppress(OSError):
        output.message_stream().flush()
    with io.TextIOWrapper(
        io.BufferedWriter(_Lasting(os.dup(2), "w")), encoding="utf-8", errors="backslashreplace"
    ) as copy:
        output.terminal_copy = copy
        try:
            yield
        finally:
            output.terminal_copy = before


@contextlib.contextmanager
def reserve_terminal() -> Iterator[None]:
    """The terminal for Textual alone inside the block: what others write to descriptors 1 and 2 goes to the app's log.

    Textual draws on `sys.__stderr__`, where TensorFlow's C++ code writes too, and asks `sys.__stdout__` for the size.
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
    """The first SIGINT, SIGTERM or SIGHUP calls `stop`; a second one `force`, and ends the process.

    Yields:
        The signals that came, for the exit status 128 + number.
    """
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            output.print_message("stopping after this batch; once more to leave at once")
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
