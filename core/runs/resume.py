"""Resume a run: read its stored settings, change the ones that may change, and queue it again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError, DatasetError, RunError
from core.runs.lock import RunLock
from core.runs.names import CONFIG, ENVIRONMENT, STOP
from core.runs.reader import FINAL_STATES, RunSnapshot, read_json, read_run
from core.runs.rollback import keep_files, restore_files
from core.runs.writer import RunWriter, enqueue
from core.system import files

if TYPE_CHECKING:
    from core.config.training_config import TrainingConfig


def requeue(run: Path, epochs: int | None = None, learning_rate: float | None = None, data: Path | None = None) -> None:
    """Queue an ended run again, for this process. If an error is raised, the run is unchanged.

    Args:
        run: the run directory.
        epochs: the new total number of epochs; None keeps the current number.
        learning_rate: the new learning rate; None keeps the current one.
        data: the new path of the data set; None keeps the current one. The training checks that it is the same data.

    Raises:
        RunError: the run has not ended, it has nothing left to do, its config can't be read, or it can't be written.
        ConfigError: the run has already trained more epochs, or a setting is not valid.
        DatasetError: there is no data set at the path.
    """
    snapshot = read_run(run)
    if snapshot.state not in FINAL_STATES:
        raise RunError(f"{run.name}: the run is {snapshot.state}; watch it with 'fer-tui runs', or stop it first")
    config = changed_config(run, epochs, learning_rate, data)
    if epochs is None and snapshot.state == "completed" and snapshot.evaluation:
        raise RunError(f"{run.name}: already completed; give it more epochs to train it further")
    check_data_exist(run, config.data)
    RunLock(run).check_free()
    try:
        keep_files(run)
        try:
            if any(value is not None for value in (epochs, learning_rate, data)):
                _write_config(run, config)
            (run / STOP).unlink(missing_ok=True)
            enqueue(run)
        except OSError:
            with contextlib.suppress(OSError):
                restore_files(run)
            raise
    except OSError as error:
        raise _describe_unwritable(run, error) from None


def set_final_state(run: Path, state: str, message: str) -> None:
    """Set the final state of a run that no process works on. A resumed run without a new epoch becomes as it was.

    Raises:
        RunError: a process works on the run.
    """
    with RunWriter(run, threading.Event()) as writer:
        if not writer.undo_resume():
            writer.update(state=state, message=message)


def check_data_exist(run: Path, data: Path) -> None:
    """Check that something lies at the path of a begun run's data set.

    Raises:
        DatasetError: nothing lies there.
    """
    from core.runs.run_dataset import is_missing, moved_data_advice

    if is_missing(data) and "fingerprint" in read_run(run).environment:
        raise DatasetError(f"{data}: the data set is missing; {moved_data_advice(run)}")


def missing_data(run: RunSnapshot) -> Path | None:
    """Return the path of a begun run's data set if nothing lies there, else None."""
    from core.runs.run_dataset import is_missing

    config: Mapping[str, Any] = run.config
    data = config.get("data")
    has_begun = "fingerprint" in run.environment
    return Path(data) if has_begun and isinstance(data, str) and is_missing(Path(data)) else None


def move_data(run: Path, data: Path) -> None:
    """Store the new path of the data set of an ended run. The function reads every image.

    Raises:
        RunError: the run's config can't be read, the run can't be written, or it does not know its data set.
        ConfigError: a setting is not valid.
        DatasetError: the data set can't be read, or is another one.
    """
    from core.data.dataset import fingerprint
    from core.data.splits import read_training_dataset
    from core.runs.run_dataset import run_decoding

    environment = read_run(run).environment
    if "fingerprint" not in environment:
        raise RunError(f"{run / ENVIRONMENT}: the fingerprint of the run's data set is missing; train a new run")
    config = changed_config(run, data=data)
    now = fingerprint(read_training_dataset(config, run_decoding(environment)))
    if now != environment["fingerprint"]:
        raise DatasetError(describe_other_data(config.data, environment["fingerprint"], now))
    lock = RunLock(run)
    lock.acquire()
    try:
        _write_config(run, config)
        files.write_json(run / ENVIRONMENT, {**read_json(run / ENVIRONMENT), "data": str(config.data.resolve())})
    except OSError as error:
        raise _describe_unwritable(run, error) from None
    finally:
        lock.release()


def _describe_unwritable(run: Path, error: OSError) -> RunError:
    return RunError(f"{error.filename or run}: {error.strerror}; the run directory must be writable")


def describe_other_data(data: Path, began_with: str, now: str) -> str:
    """Return the message for a path that was given for a run's data set, but has other data."""
    return (
        f"{data}: this is not the data set that the run was trained on (fingerprint {now}, the run's is {began_with}); "
        "give the path to which that data set has moved"
    )


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


def changed_config(
    run: Path, epochs: int | None = None, learning_rate: float | None = None, data: Path | None = None
) -> TrainingConfig:
    """Return the stored settings of a run with the changes that a resume can make.

    Args:
        run: the run directory.
        epochs: the new total number of epochs; None keeps the current number.
        learning_rate: the new learning rate; None keeps the current one.
        data: the new path of the data set; None keeps the current one.

    Raises:
        ConfigError: the run has already trained more epochs, or a setting is not valid.
        RunError: the run's config can't be read.
    """
    from core.config.training_config import resolve

    stored = load_config(run)
    given = {"epochs": epochs, "learning_rate": learning_rate, "data": data}
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        return stored
    done = len(read_run(run).history)
    if epochs is not None and epochs < max(done, 1):
        raise ConfigError("epochs", f"{run.name} has trained {done} epochs; give {max(done, 1)} or more")
    return resolve({**stored.model_dump(mode="json"), **changes})


def _write_config(run: Path, config: TrainingConfig) -> None:
    files.write_json(run / CONFIG, config.model_dump(mode="json"))


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
