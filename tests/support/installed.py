"""The installed command `fer-tui` as a person or another program has it: arguments, streams, signals, a terminal.

Most calls are forked from a process that has everything imported (see `fork_server`). `in_new_process` starts the
console script itself, for tests of what its start, its imports or TensorFlow's own output do.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

import pytest
from fork_server import ForkedProcess, fork_server

COMMAND = Path(sys.executable).with_name("fer-tui")
# Seconds after which a test fails; much more than a busy machine needs.
DEADLINE = 600.0
LIBRARY_OUTPUT = re.compile(r"tensorflow|keras|cuda|absl|onednn|xla|[IWEF]0000 |UserWarning", re.IGNORECASE)
_STATE = tempfile.TemporaryDirectory(prefix="fer-tui-state-")
# Makes stdin the controlling terminal, so that its hang-up sends a signal, and executes the command.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)
_NOT_OURS = (
    "PYTHONUNBUFFERED",
    "PYTHONIOENCODING",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "LINES",
    "FER_TUI_RUNS",
)


@dataclass(frozen=True)
class CommandResult:
    """The result of a command: exit status (negative signal number if killed), stdout and stderr."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()

    def json(self) -> Any:
        """Stdout, parsed as one strict JSON document."""
        return strict_json(self.out)


def assert_refused(answer: CommandResult, status: int, *named: str) -> None:
    """Check the exit status, for one line on stderr that contains the given texts, and for an empty stdout."""
    assert answer.out == ""
    (line,) = answer.lines
    assert line.startswith("fer-tui: ")
    for name in named:
        assert name in line
    assert answer.status == status


def has_control_characters(text: str) -> bool:
    """Return whether a text contains control characters other than line ends."""
    return any(not (c.isprintable() or c == "\n") for c in text)


def strict_json(text: str) -> Any:
    """Parse one JSON document, and reject NaN and Infinity, which Python accepts."""

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without variables that change the command's output, and with a temporary log folder."""
    ours = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    return {**ours, "XDG_STATE_HOME": _STATE.name, **(more or {})}


def fer(
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    in_new_process: bool = False,
) -> CommandResult:
    """Run the command to its end, with no terminal."""
    return RunningCommand(*arguments, env=env, cwd=cwd, in_new_process=in_new_process).wait()


@contextlib.contextmanager
def mounted(place: Path, options: str) -> Iterator[None]:
    """Mount a file system in memory on a new folder; skip the test if that is not permitted."""
    place.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("there is no mount command")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", options, "none", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("a file system can't be mounted")
    try:
        yield
    finally:
        subprocess.run([umount, "--lazy", place], check=True)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Return the first true value of a condition.

    Raises:
        TimeoutError: the condition does not become true in time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise TimeoutError(what)


class RunningCommand:
    """A running command, whose stdout and stderr are read continuously."""

    every: ClassVar[list[RunningCommand]] = []

    def __init__(
        self,
        *arguments: str | Path,
        on_terminal: bool = False,
        size: tuple[int, int] = (100, 30),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        command: Sequence[str | Path] = (COMMAND,),
        in_new_process: bool = False,
    ) -> None:
        """Start the command.

        Args:
            arguments: of the command.
            on_terminal: stdin, stdout and stderr are one terminal, the process' controlling one.
            size: of that terminal, columns and rows.
            env: besides our own environment.
            cwd: where it is started.
            command: what is started with these arguments.
            in_new_process: whether it is started and not forked; what has another command or Python's variables is.
        """
        is_forked = not in_new_process and tuple(command) == (COMMAND,)
        is_forked &= not any(name.startswith("PYTHON") for name in env or {})
        self._read: dict[str, bytes] = {"out": b"", "err": b""}
        self._master: int | None = None
        if on_terminal:
            self._master, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            variables = environment({"TERM": "xterm-256color", **(env or {})})
            streams = (slave, slave, slave)
            sources: dict[str, IO[bytes]] = {"out": os.fdopen(os.dup(self._master), "rb", buffering=0)}
            command = [sys.executable, "-ISc", _TAKE_TERMINAL, *command]
        else:
            variables = environment(env)
            (out, theirs_out), (err, theirs_err) = os.pipe(), os.pipe()
            streams = (os.open(os.devnull, os.O_RDONLY), theirs_out, theirs_err)
            sources = {"out": os.fdopen(out, "rb", buffering=0), "err": os.fdopen(err, "rb", buffering=0)}
        if is_forked:
            self.process: subprocess.Popen[bytes] | ForkedProcess = fork_server().start(
                [str(word) for word in (COMMAND, *arguments)], streams, variables, cwd or Path.cwd(), on_terminal
            )
        else:
            self.process = subprocess.Popen(
                [*command, *arguments],
                stdin=streams[0],
                stdout=streams[1],
                stderr=streams[2],
                env=variables,
                cwd=cwd,
            )
        for stream in set(streams):
            os.close(stream)
        self._sources = sources
        self._left = threading.Event()
        self._readers = [threading.Thread(target=self._follow, args=item, daemon=True) for item in sources.items()]
        for reader in self._readers:
            reader.start()
        RunningCommand.every.append(self)

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    @property
    def err(self) -> str:
        """The output on stderr so far; on a terminal it is in `out`."""
        return _text(self._read["err"])

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def write(self, content: bytes) -> None:
        """Write text to the terminal's input."""
        assert self._master is not None
        os.write(self._master, content)

    def disconnect(self) -> None:
        """Close the pipes or the terminal for good."""
        self._left.set()
        for reader in self._readers:
            reader.join()
        for source in self._sources.values():
            source.close()
        if self._master is not None:
            os.close(self._master)
            self._master = None

    def wait(self) -> CommandResult:
        """Wait until the process ends, and return its result."""
        status = self.process.wait(DEADLINE)
        for reader in self._readers:
            reader.join()
        self.close()
        return CommandResult(status, _text(self._read["out"]), _text(self._read["err"]))

    def close(self) -> None:
        """Close the descriptors, and kill the process if it still runs."""
        if not self.has_ended:
            self.process.kill()
            self.process.wait()
        self.disconnect()

    def _follow(self, name: str, source: IO[bytes]) -> None:
        # Linux reports a terminal whose other side is closed as an error.
        with contextlib.suppress(OSError):
            os.set_blocking(source.fileno(), False)
            while not self._left.is_set():
                if not select.select([source], [], [], 0.1)[0]:
                    continue
                content = source.read(65_536)
                if not content:
                    return
                self._take(name, content)

    def _take(self, name: str, content: bytes) -> None:
        """Read and store the available output."""
        self._read[name] += content


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class RunFiles:
    """The state and history of a run, read from its files."""

    state: str
    message: str
    epoch: int
    batch: int
    pid: int
    history: tuple[str, ...]


def read_run_files(run: Path) -> RunFiles:
    """Read a run's `status.json` and `history.csv`."""
    try:
        status = json.loads((run / "status.json").read_text())
    except FileNotFoundError:
        status = {}
    try:
        history = tuple((run / "history.csv").read_text().splitlines()[1:])
    except FileNotFoundError:
        history = ()
    return RunFiles(
        status.get("state", ""),
        status.get("message") or "",
        status.get("epoch") or 0,
        status.get("batch") or 0,
        status.get("pid") or 0,
        history,
    )


def only_run(folder: Path) -> Path:
    """Return the only run directory in a folder."""
    (run,) = folder.iterdir()
    return run


def listed_state(run: Path) -> str:
    """Return the state that `fer-tui runs` shows."""
    (told,) = [one for one in fer("runs", "--json", "--runs", run.parent).json() if one["run"] == run.name]
    return told["state"]
