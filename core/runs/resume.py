"""Resuming a run: its stored settings, what may change in them, and its place in a queue."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ConfigError, RunError
from core.runs.names import CONFIG, STOP
from core.runs.reader import FINAL_STATES, read_run
from core.runs.writer import RunWriter, enqueue
from core.system import files

if TYPE_CHECKING:
    from core.config.training_config import TrainingConfig


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
    if snapshot.state not in FINAL_STATES:
        raise RunError(f"{run.name}: is {snapshot.state}; watch it with 'fer-tui runs', or stop it first")
    load_config(run)
    if epochs is None and snapshot.state == "completed" and snapshot.evaluation:
        raise RunError(f"{run.name}: already completed; give it more epochs to train it further")
    change_config(run, epochs, learning_rate)
    try:
        (run / STOP).unlink(missing_ok=True)
        enqueue(run)
    except OSError as error:
        raise RunError(f"{run}: {error.strerror}; it must be writable") from None


def set_final_state(run: Path, state: str, message: str) -> None:
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

    from core.config.training_config import TrainingConfig

    path = run / CONFIG
    try:
        config = TrainingConfig.model_validate_json(files.read_bytes(path))
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; the run can't go on without it") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{path}: {where + ': ' if where else ''}{first['msg']}; written by another version?") from None
    # A setting that a run lacks means what the version of its time did.
    return config if "feed" in config.model_fields_set else config.model_copy(update={"feed": "host"})


def change_config(run: Path, epochs: int | None = None, learning_rate: float | None = None) -> None:
    """Let a run go on with other settings than it began with.

    Raises:
        ConfigError: it already has more epochs, or no run may have such settings.
    """
    from core.config.training_config import resolve

    changes = {"epochs": epochs, "learning_rate": learning_rate}
    changes = {name: value for name, value in changes.items() if value is not None}
    if not changes:
        return
    done = len(read_run(run).history)
    if epochs is not None and epochs < max(done, 1):
        raise ConfigError("epochs", f"{run.name} has done {done} epochs; give {max(done, 1)} or more")
    stored = load_config(run).model_dump(mode="json")
    files.write_json(run / CONFIG, resolve({**stored, **changes}).model_dump(mode="json"))


def resume_caveat(run: Path) -> str:
    """What to know of a run that goes on, against one that never ended; nothing where they are the same.

    Raises:
        RunError: its config can't be read.
    """
    if load_config(run).can_resume_exactly or not read_run(run).history:
        return ""
    return "goes on after its last whole epoch, not bit for bit as if it had never ended: that takes 'deterministic'"
