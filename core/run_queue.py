"""Training one run after another: the first in this process, later ones each in a process of its own.

Keras keeps what it compiled for as long as its process lives (see docs/memory.md), so that a queue in one process
would grow with every run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core import files
from core.errors import ConfigError, RunError
from core.run_writer import RunWriter, create_run, enqueue, explain_end
from core.runs import ENDED, read_run

if TYPE_CHECKING:
    from core.config import TrainingConfig

# Of a training in the process of the screens: beside one that does not give way it gets a third of a processor.
NICENESS = 5
# Of waiting runs, in seconds: how often their directories are looked at for a stop, and their hearts beat.
LISTEN_INTERVAL = 1.0
BEAT_INTERVAL = 20.0


class RunQueue:
    """Runs to be trained, in order, by one worker thread that calls `work`; more may come while it works."""

    def __init__(self, runs: Sequence[Path] = (), *, in_children: bool = False, is_shared: bool = False) -> None:
        """A queue of runs.

        Args:
            runs: directories made by `create_run`, or ended ones to go on with.
            in_children: whether the first run too has a process of its own.
            is_shared: whether this process has other work as well: a run that changes all of it (`deterministic`,
                several devices) then has its own.
        """
        self._waiting = deque(runs)
        self._in_children = in_children
        self._is_shared = is_shared
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._works = False
        self._idle = threading.Event()
        self.current: Path | None = None
        self.errors: dict[Path, Exception] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a run is worked on, or waits; one that has ended, and whose process is about to, is not."""
        current = self.current
        return bool(self._waiting) or (current is not None and read_run(current).state not in ENDED)

    def add(self, runs: Sequence[Path]) -> bool:
        """Put runs at the end; whether a thread has to be started that calls `work`."""
        with self._mutex:
            self._waiting.extend(runs)
            starts, self._works = not self._works, True
            if starts:
                self._idle = threading.Event()
        return starts

    def work(self) -> None:
        """Train every run; returns when none is left. An error that keeps a run from beginning is in `errors`."""
        threading.Thread(target=self._beat, args=[self._idle], name="waiting runs", daemon=True).start()
        while (run := self._next()) is not None:
            try:
                if self._stop.is_set():
                    mark(run, "stopped", "stopped before it began")
                elif self._trains_here(run):
                    self._train_here(run)
                else:
                    self._train_in_child(run)
            except Exception as error:
                self.errors[run] = error

    def withdraw(self, run: Path) -> bool:
        """Take a run out that waits and mark it stopped; false where it does not wait (any more)."""
        with self._mutex:
            if run not in self._waiting:
                return False
            self._waiting.remove(run)
        mark(run, "stopped", "stopped before it began")
        return True

    def stop(self) -> None:
        """End the run under way after its batch, and start no other; from any thread."""
        self._stop.set()
        self._signal_child(signal.SIGTERM)

    def kill(self) -> None:
        """End a child at once: what it wrote up to its last epoch stands."""
        self._signal_child(signal.SIGKILL)

    def _next(self) -> Path | None:
        with self._mutex:
            self.current = self._waiting.popleft() if self._waiting else None
            self._works = self.current is not None
            if not self._works:
                self._idle.set()
            return self.current

    def _beat(self, idle: threading.Event) -> None:
        """Keep the hearts of waiting runs beating, by which other hosts know of us, and see which shall not begin."""
        beaten = time.monotonic()
        while not idle.wait(LISTEN_INTERVAL):
            is_due = time.monotonic() - beaten > BEAT_INTERVAL
            with self._mutex:
                waiting = list(self._waiting)
            for run in waiting:
                with contextlib.suppress(OSError, RunError):
                    if (run / "stop").exists():
                        self.withdraw(run)
                    elif is_due:
                        self._say_queued(run)
            beaten = time.monotonic() if is_due else beaten

    def _say_queued(self, run: Path) -> None:
        with self._mutex:
            if run in self._waiting:
                enqueue(run)

    def _trains_here(self, run: Path) -> bool:
        if self._in_children:
            return False
        config = load_config(run)
        return not self._is_shared or (config.on_one_device and not config.deterministic)

    def _train_here(self, run: Path) -> None:
        from core.trainer import train

        self._in_children = True
        if self._is_shared:
            give_way(threading.get_native_id())
        train(load_config(run), run, _Either(self._stop))

    def _train_in_child(self, run: Path) -> None:
        self._child = start_worker([run])
        if self._is_shared:
            give_way(self._child.pid)
        if self._stop.is_set():
            self._signal_child(signal.SIGTERM)
        status = self._child.wait()
        self._child = None
        if read_run(run).status.get("state") == "queued":
            mark(run, "failed", f"its process ended with status {status} before it began; see log.txt")
        elif status < 0 and read_run(run).state == "interrupted":
            explain_end(run, f"its process was killed by signal {-status}, as happens when memory runs out")

    def _signal_child(self, number: signal.Signals) -> None:
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)


class _Either(threading.Event):
    """A run's own stop, which its directory can ask for; the queue's stop is every run's."""

    def __init__(self, other: threading.Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or self._other.is_set()


def give_way(thread: int) -> None:
    """Let a thread, and those that it starts from now on, give way to all that is done for somebody who waits.

    On Linux the niceness is a thread's own, and TensorFlow's threads inherit that of the first to use it. Where
    nothing else wants the processors, it costs nothing.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, NICENESS)


def start_worker(runs: Sequence[Path]) -> subprocess.Popen[bytes]:
    """Start a process that trains runs one after another, and outlives the terminal that this one has."""
    return start_detached("core.worker", map(str, runs), runs[0] / "log.txt")


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


def create_runs(configs: Sequence[TrainingConfig], folder: Path) -> list[Path]:
    """A queued run directory for every config, or, where one can't be made, none.

    Raises:
        RunError: the folder can't be written.
    """
    made: list[Path] = []
    try:
        for config in configs:
            made.append(create_run(config, folder))
    except RunError:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)
        raise
    return made


def requeue(run: Path, epochs: int | None = None, learning_rate: float | None = None) -> None:
    """Make an ended run a queued one of this process.

    Args:
        run: its directory.
        epochs: how many it shall have in all; None leaves them.
        learning_rate: what it goes on with; None leaves it.

    Raises:
        RunError: it is under way, or has nothing left to do; its config can't be read.
        ConfigError: it has more epochs already, or there is no such rate.
    """
    snapshot = read_run(run)
    if snapshot.state not in ENDED:
        raise RunError(f"{run.name}: is {snapshot.state}; watch it with 'fer-tui runs', or stop it first")
    load_config(run)
    if epochs is None and snapshot.state == "completed" and snapshot.evaluation:
        raise RunError(f"{run.name}: already completed; give it more epochs to train it further")
    change_config(run, epochs, learning_rate)
    try:
        (run / "stop").unlink(missing_ok=True)
        enqueue(run)
    except OSError as error:
        raise RunError(f"{run}: {error.strerror}; it must be writable") from None


def mark(run: Path, state: str, message: str) -> None:
    """Say how a run ended that no process works on.

    Raises:
        RunError: one does.
    """
    with RunWriter(run, threading.Event()) as writer:
        writer.update(state=state, message=message)


def load_config(run: Path) -> TrainingConfig:
    """A run's stored settings.

    Raises:
        RunError: config.json is missing, damaged, or was written by another version.
    """
    from pydantic import ValidationError

    from core.config import TrainingConfig

    path = run / "config.json"
    try:
        return TrainingConfig.model_validate_json(files.read_bytes(path))
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; the run can't go on without it") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{path}: {where + ': ' if where else ''}{first['msg']}; written by another version?") from None


def change_config(run: Path, epochs: int | None = None, learning_rate: float | None = None) -> None:
    """Let a run go on with other settings than it began with.

    Raises:
        ConfigError: it already has more epochs, or no run may have such settings.
    """
    from core.config import resolve

    changes = {"epochs": epochs, "learning_rate": learning_rate}
    changes = {name: value for name, value in changes.items() if value is not None}
    if not changes:
        return
    done = len(read_run(run).history)
    if epochs is not None and epochs < max(done, 1):
        raise ConfigError(f"--epochs: {run.name} has done {done} epochs; give {max(done, 1)} or more")
    stored = load_config(run).model_dump(mode="json")
    files.write_json(run / "config.json", resolve({**stored, **changes}).model_dump(mode="json"))


def how_exactly(run: Path) -> str:
    """What to know of a run that goes on, against one that never ended; nothing where they are the same.

    Raises:
        RunError: its config can't be read.
    """
    if load_config(run).goes_on_exactly or not read_run(run).history:
        return ""
    return "goes on after its last whole epoch, not bit for bit as if it had never ended: that takes 'deterministic'"
