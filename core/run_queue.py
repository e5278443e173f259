"""Training one run after another: the first in this process, later ones each in a process of its own.

Keras keeps what it compiled for as long as its process lives (see docs/memory.md), so that a queue in one process
would grow with every run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from core import files
from core.config import TrainingConfig, resolve
from core.errors import ConfigError, RunError
from core.run_writer import RunWriter
from core.runs import read_run


class RunQueue:
    """Runs to be trained, in order, by one worker thread that calls `work`."""

    def __init__(self, runs: Sequence[Path]) -> None:
        """`runs`: directories made by `create_run`, or stopped ones to go on with."""
        self._runs = tuple(runs)
        self._ending = threading.Event()
        self._stop = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self.error: Exception | None = None

    def work(self) -> None:
        """Train every run; returns when the last has ended. An error that is no run's own is kept in `error`."""
        try:
            for position, run in enumerate(self._runs):
                if self._ending.is_set():
                    _mark_stopped(run)
                elif position == 0:
                    self._train_here(run)
                else:
                    self._train_in_child(run)
        except Exception as error:
            self.error = error

    def stop(self) -> None:
        """End the run under way after its batch, and start no other; from any thread."""
        self._ending.set()
        self._stop.set()
        self._signal_child(signal.SIGTERM)

    def kill(self) -> None:
        """End a child at once: what it wrote up to its last epoch stands."""
        self._signal_child(signal.SIGKILL)

    def _train_here(self, run: Path) -> None:
        from core.trainer import train

        train(load_config(run), run, self._stop)

    def _train_in_child(self, run: Path) -> None:
        with (run / "log.txt").open("ab") as log:
            # A session of its own: Ctrl+C reaches us alone, and we ask the child to stop.
            self._child = subprocess.Popen(
                [sys.executable, "-m", "core.worker", str(run)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        if self._ending.is_set():
            self._signal_child(signal.SIGTERM)
        self._child.wait()
        self._child = None

    def _signal_child(self, number: signal.Signals) -> None:
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)


def _mark_stopped(run: Path) -> None:
    with RunWriter(run, threading.Event()) as writer:
        writer.update(state="stopped", message="stopped before it began")


def load_config(run: Path) -> TrainingConfig:
    """A run's stored settings.

    Raises:
        RunError: config.json is missing, damaged, or was written by another version.
    """
    from pydantic import ValidationError

    path = run / "config.json"
    try:
        return TrainingConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; the run can't go on without it") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{path}: {where + ': ' if where else ''}{first['msg']}; written by another version?") from None


def raise_epochs(run: Path, epochs: int) -> None:
    """Let a run go on to more epochs than its config says.

    Raises:
        ConfigError: it already has more, or no run may have so many.
    """
    stored = load_config(run).model_dump(mode="json")
    done = len(read_run(run).history)
    if epochs < max(done, 1):
        raise ConfigError(f"--epochs: {run.name} has done {done} epochs; give {max(done, 1)} or more")
    files.write_json(run / "config.json", resolve({**stored, "epochs": epochs}).model_dump(mode="json"))
