"""Run a command in a fork of this process, which says what ended it. TensorFlow's C++ code can end its process."""

from __future__ import annotations

import os
import signal

from core.jobs.forked_process import can_fork
from core.system.limits import describe_signal
from core.system.signals import SIGNALS, end_with_parent
from fer_tui.console import output, terminal


def fork_watched() -> int | None:
    """Fork this process. Return None in the child, and the child's exit status in this process, once it has ended.

    Signals are passed on to the child, except those of a terminal, which sends them to both. If this process can't fork
    safely, it runs the command itself.
    """
    if not can_fork():
        return None
    parent = os.getpid()
    waited = {*SIGNALS, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    try:
        child = os.fork()
    except OSError:
        # The command then meets the limit of processes too, or works.
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        end_with_parent(parent)
        return None
    passed_on: set[int] = set()
    while True:
        received = signal.sigwaitinfo(waited)
        if received.si_signo != signal.SIGCHLD:
            passed_on.add(received.si_signo)
            # A code above 0 is one of the kernel: a terminal's Ctrl+C.
            if received.si_code <= 0:
                os.kill(child, received.si_signo)
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    status = os.waitstatus_to_exitcode(status)
    if status >= 0:
        return status
    if -status not in passed_on:
        output.print_error(describe_signal(-status, str(terminal.app_log_path())))
    return 128 - status
