"""Write a run directory. One process holds its `lock` and reports its progress in `status.json`."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import secrets
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from core.errors import RunError, first_line
from core.runs.history import HISTORY_COLUMNS, read_history
from core.runs.lock import RunLock
from core.runs.names import CONFIG, ENVIRONMENT, EVALUATION, HISTORY, MLFLOW, PREDICTIONS, STATUS, STOP
from core.runs.reader import read_json
from core.runs.rollback import can_restore, drop_files, restore_files
from core.runs.schema import EnvironmentFile, EvaluationFile, StatusFile
from core.system import files
from core.system.processes import this_process

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.config.training_config import TrainingConfig

STATUS_INTERVAL = 0.5
HEARTBEAT_INTERVAL = 5.0


def create_run(config: TrainingConfig, folder: Path) -> Path:
    """Create a run directory with the config and the state `queued`.

    Args:
        config: the run's settings.
        folder: the folder of the runs; created if missing.

    Returns:
        The run directory.

    Raises:
        RunError: the folder can't be written.
    """
    # Milliseconds keep the runs of one queue in order, because runs are sorted by name.
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    path = folder / f"{now}-{config.model}-{secrets.token_hex(2)}"
    try:
        path.mkdir(parents=True)
        try:
            enqueue(path)
            # The config is written last, because a folder with a config is a run.
            files.write_json(path / CONFIG, config.model_dump(mode="json"))
        except OSError:
            shutil.rmtree(path, ignore_errors=True)
            raise
    except OSError as error:
        remedy = "free some space" if error.errno == 28 else "choose a writable folder"
        raise RunError("runs", f"{folder}: {error.strerror}; {remedy}") from None
    return path


def enqueue(path: Path) -> None:
    """Set a run's state to `queued`, before this process starts or resumes it."""
    status: StatusFile = {"state": "queued", **_PROGRESS, **this_process(), "heartbeat": time.time()}
    files.write_json(path / STATUS, status)


def set_end_message(path: Path, message: str) -> None:
    """Store a message about how an interrupted run ended. The state does not change."""
    with contextlib.suppress(OSError):
        files.write_json(path / STATUS, {**read_json(path / STATUS), "message": message})


_PROGRESS: StatusFile = {"epoch": 0, "epochs": None, "batch": 0, "batches": None, "message": ""}


class RunWriter:
    """The only writer of a run directory. It is a context manager: it acquires the lock and writes the final status.

    A thread writes `status.json`: within half a second after a change, and every five seconds as a heartbeat. It is a
    separate thread because imports and tracing block the training thread. The same thread checks for the file `stop`
    and checks that this process still holds the lock. Another process creates `stop` to stop the run.
    """

    def __init__(self, path: Path, stop: threading.Event) -> None:
        """Prepare to write a run; entering the context acquires the lock.

        Args:
            path: the run directory.
            stop: set when another process requests a stop or takes over the run.
        """
        self.path = path
        self._lock = RunLock(path)
        self._stop = stop
        self._status: StatusFile = {"state": "running", **_PROGRESS, **this_process()}
        self._changed = True
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._restores = False
        self.stop_requested = False
        self.is_lost = False

    def __enter__(self) -> RunWriter:
        self._lock.acquire()
        try:
            files.remove_temporary(self.path)
            # Keep a stop request made while the run was queued. Remove one that a previous process left behind.
            if read_json(self.path / STATUS).get("state") != "queued":
                (self.path / STOP).unlink(missing_ok=True)
            self._write_status()
            self._thread.start()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        if not self.is_owner():
            return
        has_state = self._status.get("state") != "running"
        if isinstance(error, Exception) and not has_state and not self.undo_resume():
            self.update(state="failed", message=first_line(error))
        is_written = self._restore() if self._restores else self._write_final_status()
        if is_written and not self._restores:
            with contextlib.suppress(OSError):
                drop_files(self.path)
        with contextlib.suppress(OSError):
            (self.path / STOP).unlink()
        self._lock.release()
        if not is_written:
            # On a full disk, deleting the lock may free enough space for the status.
            self._write_final_status()

    def undo_resume(self) -> bool:
        """End the run as it was before it was resumed, if it has no new checkpoint since; return whether it has none.

        The files are restored when the context ends.
        """
        self._restores = can_restore(self.path)
        return self._restores

    def _restore(self) -> bool:
        try:
            restore_files(self.path)
        except OSError as error:
            self.update(state="failed", message=f"{error.filename or self.path}: {error.strerror or error}")
            return self._write_final_status()
        return True

    def _write_final_status(self) -> bool:
        try:
            self._write_status()
        except OSError:
            return False
        return True

    def is_owner(self) -> bool:
        """Return whether this process still holds the run's lock. Set `stop` if it does not."""
        if not self.is_lost and not self._lock.is_held():
            self.is_lost = True
            self._stop.set()
        return not self.is_lost

    def update(self, **status: Unpack[StatusFile]) -> None:
        """Change values of `status.json`. The heartbeat thread writes them within half a second."""
        with self._mutex:
            self._status.update(status)
            self._changed = True

    def flush(self) -> None:
        """Write `status.json` now, before something that may block the heartbeat thread."""
        with contextlib.suppress(OSError):
            self._write_status()

    def write_environment(self, environment: EnvironmentFile) -> None:
        """Write `environment.json`: versions, device, data set, classes."""
        files.write_json(self.path / ENVIRONMENT, environment)

    def write_predictions(
        self, paths: Sequence[str], labels: Sequence[str], probabilities: NDArray[np.floating], classes: Sequence[str]
    ) -> None:
        """Write the kept model's predictions for the validation split.

        See `core.runs.predictions.predictions_table` for the arguments.
        """
        from core.runs.predictions import predictions_table

        files.write_bytes(self.path / PREDICTIONS, predictions_table(paths, labels, probabilities, classes))

    def write_evaluation(self, evaluation: EvaluationFile) -> None:
        """Write `evaluation.json`: the metrics of the kept model."""
        files.write_json(self.path / EVALUATION, evaluation)

    def append_epoch(self, row: Mapping[str, float]) -> None:
        """Append a row to `history.csv` and flush it to disk."""
        path = self.path / HISTORY
        content = _csv_line([row.get(column, float("nan")) for column in HISTORY_COLUMNS])
        if not path.exists():
            content = _csv_line(HISTORY_COLUMNS) + content
        with os.fdopen(files.open_to_append(path), "ab") as file:
            file.write(content.encode())
            file.flush()
            os.fsync(file.fileno())

    def truncate_history(self, epochs: int) -> None:
        """Truncate `history.csv` after the given number of epochs, to resume from an earlier checkpoint."""
        path = self.path / HISTORY
        if not path.exists():
            return
        rows = [row for row in read_history(path) if row["epoch"] <= epochs]
        lines = [_csv_line(HISTORY_COLUMNS)]
        lines += [_csv_line([row[column] for column in HISTORY_COLUMNS]) for row in rows]
        files.write_bytes(path, "".join(lines).encode())

    def _beat(self) -> None:
        written = time.monotonic()
        while not self._ended.wait(STATUS_INTERVAL) and self.is_owner():
            if not self.stop_requested and (self.path / STOP).exists():
                self.stop_requested = True
                self._stop.set()
            if self._changed or time.monotonic() - written >= HEARTBEAT_INTERVAL:
                try:
                    self._write_status()
                except OSError:
                    # A full disk must not stop the training. The next heartbeat tries again.
                    self._changed = True
                written = time.monotonic()

    def _write_status(self) -> None:
        with self._mutex:
            status: StatusFile = {**self._status, "heartbeat": time.time()}
            self._changed = False
        files.write_json(self.path / STATUS, status)


def request_stop(path: Path) -> None:
    """Ask the process that works on a run to stop after the current batch.

    Raises:
        RunError: the request can't be written.
    """
    try:
        os.close(files.open_to_append(path / STOP))
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; the stop request can't be written") from None


def _csv_line(values: Sequence[Any]) -> str:
    """Return one CSV line. Whole numbers have no decimal point, NaN is an empty cell."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_cell(value) for value in values])
    return line.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value != value:
        return ""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def create_runs(configs: Sequence[TrainingConfig], folder: Path) -> list[Path]:
    """Create a queued run directory for each config. If one can't be created, delete the others.

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


def write_tracker_file(path: Path, content: Mapping[str, Any]) -> None:
    """Write the MLflow run's server and id, so that a resumed run continues the same MLflow run."""
    files.write_json(path / MLFLOW, content)
