"""Resume a run: read its stored settings, change the ones that may change, and queue it again."""

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
    """Queue an ended run again, for this process.

    Args:
        run: the run directory.
        epochs: the new total number of epochs; None keeps the current number.
        learning_rate: the new learning rate; None keeps the current one.

    Raises:
        RunError: the run has not ended, it has nothing left to do, or its config can't be read.
        ConfigError: the run has already trained more epochs, or the learning rate is not valid.
    """
    snapshot = read_run(run)
    if snapshot.state not in FINAL_STATES:
        raise RunError(f"{run.name}: the run is {snapshot.state}; watch it with 'fer-tui runs', or stop it first")
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
    """Set the final state of a run that no process works on.

    Raises:
        RunError: a process works on the run.
    """
    with RunWriter(run, threading.Event()) as writer:
        writer.update(state=state, message=message)


def load_config(run: Path) -> TrainingConfig:
    """Read a run's stored settings.

    Raises:
        RunError: config.json is missing, damaged, or was written by another version.
    """
    from pydantic import ValidationError

    from core.config.training_config import TrainingConfig

    path = run / CONFIG
    try:
        config = TrainingConfig.model_validate_json(files.read_bytes(path))
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; the run can't be resumed without it") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{path}: {where + ': ' if where else ''}{first['msg']}; written by another version?") from None
    # Versions without the setting `feed` always used the host.
    return config if "feed" in config.model_fields_set else config.model_copy(update={"feed": "host"})


def change_config(run: Path, epochs: int | None = None, learning_rate: float | None = None) -> None:
    """Change the stored settings of a run before it is resumed.

    Args:
        run: the run directory.
        epochs: the new total number of epochs; None keeps the current number.
        learning_rate: the new learning rate; None keeps the current one.

    Raises:
        ConfigError: the run has already trained more epochs, or a setting is not valid.
        RunError: the run's config can't be read.
    """
    from core.config.training_config import resolve

    changes = {"epochs": epochs, "learning_rate": learning_rate}
    changes = {name: value for name, value in changes.items() if value is not None}
    if not changes:
        return
    done = len(read_run(run).history)
    if epochs is not None and epochs < max(done, 1):
        raise ConfigError("epochs", f"{run.name} has trained {done} epochs; give {max(done, 1)} or more")
    stored = load_config(run).model_dump(mode="json")
    files.write_json(run / CONFIG, resolve({**stored, **changes}).model_dump(mode="json"))


def resume_caveat(run: Path) -> str:
    """Return a note that a resumed run differs from an uninterrupted one; empty if the results are the same.

    Raises:
        RunError: the run's config can't be read.
    """
    if load_config(run).can_resume_exactly or not read_run(run).history:
        return ""
    return (
        "resumes from its last checkpoint; its results may differ from those of an uninterrupted run (for identical "
        "results, train with 'deterministic' on one device)"
    )
