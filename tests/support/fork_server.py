"""A process that has TensorFlow and our modules imported, and forks a child for each call of the command.

A child has the arguments, the environment, the working directory and the streams that a new process of the installed
command would have, and ends as one does. It skips the start of the interpreter and the imports: about a second for
every command, and four more for those that need TensorFlow. What a start or an import does is not seen in it.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HEAVY = ("numpy", "pandas", "sklearn.metrics", "PIL.Image", "tensorflow", "keras")
_SIZE = struct.Struct("I")
_STATUS = struct.Struct("i")


class ForkedProcess:
    """A child of the server, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int, status: int) -> None:
        """Take over the read end of the pipe `status`, which brings the exit status."""
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """Return the exit status, minus the signal that killed the process; None while it runs."""
        return self._read(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit status.

        Raises:
            subprocess.TimeoutExpired: the process still runs.
        """
        status = self._read(timeout)
        if status is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal to the process if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _read(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], seconds)[0]:
            content = os.read(self._status, _STATUS.size)
            os.close(self._status)
            assert content, "the fork server has ended"
            self.returncode = os.waitstatus_to_exitcode(*_STATUS.unpack(content))
        return self.returncode


class ForkServer:
    """The server, as its user has it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        assert self._socket.recv(1) == b"+", "the fork server did not start"
        atexit.register(self._close)

    def _close(self) -> None:
        """End the server; its children go on."""
        self._socket.close()
        self.process.wait()

    def start(
        self,
        words: Sequence[str],
        streams: tuple[int, int, int],
        env: Mapping[str, str],
        cwd: Path,
        takes_terminal: bool,
    ) -> ForkedProcess:
        """Fork a child that runs the command.

        Args:
            words: the command and its arguments.
            streams: the descriptors of its stdin, stdout and stderr.
            env: its whole environment.
            cwd: its working directory.
            takes_terminal: whether stdin becomes the controlling terminal of a new session.
        """
        call = {"argv": list(words), "env": dict(env), "cwd": str(cwd), "takes_terminal": takes_terminal}
        content = json.dumps(call).encode()
        ours, theirs = os.pipe()
        with self._lock:
            socket.send_fds(self._socket, [_SIZE.pack(len(content))], [*streams, theirs])
            self._socket.sendall(content)
            os.close(theirs)
            (pid,) = _SIZE.unpack(_receive(self._socket, _SIZE.size))
        return ForkedProcess(pid, ours)


@functools.cache
def fork_server() -> ForkServer:
    """Return the server of this process, which ends with it."""
    return ForkServer()


def _receive(connection: socket.socket, count: int) -> bytes:
    """Receive exactly so many bytes.

    Raises:
        EOFError: the other side has closed.
    """
    content = b""
    while len(content) < count:
        more = connection.recv(count - len(content))
        if not more:
            raise EOFError
        content += more
    return content


def _import_everything() -> None:
    from core.system.program import set_up_tensorflow

    set_up_tensorflow()
    for name in HEAVY:
        importlib.import_module(name)
    for name in ("core", "fer_tui"):
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            importlib.import_module(module.name)


def _serve(connection: socket.socket) -> dict[str, Any]:
    """Fork a child for each call until the other side closes; in a child, return its call."""
    statuses: dict[int, int] = {}
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    # Ctrl+C is the tests' affair: the server ends when they do.
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection.send(b"+")
    while True:
        readable, _, _ = select.select([connection, woken], [], [])
        if woken in readable:
            os.read(woken, 4096)
            _tell_endings(statuses)
        if connection not in readable:
            continue
        head, descriptors, _, _ = socket.recv_fds(connection, _SIZE.size, 4)
        if not head:
            sys.exit(0)
        call = json.loads(_receive(connection, *_SIZE.unpack(head)))
        *streams, status = descriptors
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, interrupt)
            _become(call, streams, [connection.detach(), status, woken, wake, *statuses.values()])
            return call
        statuses[pid] = status
        for stream in streams:
            os.close(stream)
        connection.sendall(_SIZE.pack(pid))


def _tell_endings(statuses: dict[int, int]) -> None:
    """Send the status of each child that has ended."""
    while statuses:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        teller = statuses.pop(pid)
        os.write(teller, _STATUS.pack(status))
        os.close(teller)


def _become(call: Mapping[str, Any], streams: Sequence[int], others: Sequence[int]) -> None:
    """Give this process what its call asks for, and nothing of the server's."""
    if call["takes_terminal"]:
        os.setsid()
        fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for descriptor in {*streams, *others} - {0, 1, 2}:
        os.close(descriptor)
    os.chdir(call["cwd"])
    set_up = {name: os.environ[name] for name in os.environ if name.startswith("TF_") or name == "CUDA_DEVICE_ORDER"}
    os.environ.clear()
    os.environ.update(set_up | call["env"])
    sys.argv[:] = call["argv"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        theirs: Any = getattr(sys, f"__{name}__")
        raw: Any = open(number, f"{mode}b", closefd=False)  # noqa: SIM115
        interactive = raw.isatty() or name == "stderr"
        ours = io.TextIOWrapper(raw, theirs.encoding, theirs.errors, "\n", line_buffering=interactive)
        setattr(sys, name, ours)
        setattr(sys, f"__{name}__", ours)


def _exit(status: int) -> None:
    """End as the interpreter does, without taking apart what was imported, which costs more than most commands."""
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _main() -> int:
    """Serve; in a child, be the console script."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    _import_everything()
    gc.collect()
    gc.freeze()
    _serve(connection)
    from fer_tui.cli import main

    return main()


if __name__ == "__main__":
    _exit(_main())
