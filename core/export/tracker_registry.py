"""Log runs to TensorBoard and MLflow, from the content of the run directory."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from core.errors import ConfigError, FerError, RunError, first_line
from core.export.mlflow import MlflowTracker
from core.export.tensorboard import TensorBoardTracker
from core.export.tracker import Tracker
from core.runs.reader import FINAL_STATES, read_run
from core.system import extras

logger = logging.getLogger(__name__)


def open_tracker(kind: str, run: Path) -> Tracker:
    """Create a tracker for a run.

    Args:
        kind: the tracker's key in TRACKERS.
        run: the run directory.

    Raises:
        ConfigError: there is no such tracker.
        RunError: the tracker's package is not installed.
    """
    if kind not in TRACKERS:
        raise ConfigError("kind", f"there is no tracker '{kind}'; choose from {', '.join(TRACKERS)}")
    if not extras.is_installed(kind):
        raise RunError(f"{kind} is not installed; {extras.install_command(kind)}")
    return TRACKERS[kind](run)


def log_run(run: Path, kind: str) -> str:
    """Log a run that has ended.

    Args:
        run: the run directory.
        kind: the tracker's key in TRACKERS.

    Returns:
        A description of where the user can view the run.

    Raises:
        ConfigError: there is no such tracker.
        RunError: the run has not ended, the tracker's package is not installed, or logging failed.
    """
    snapshot = read_run(run)
    if snapshot.state not in FINAL_STATES:
        raise RunError(f"{run.name}: the run is {snapshot.state}; log it after it has ended")
    try:
        tracker = open_tracker(kind, run)
        tracker.log_epochs(snapshot)
        return tracker.log_end(snapshot)
    except FerError:
        raise
    except Exception as error:
        raise RunError(f"{kind}: {first_line(error)[:300]}") from None


class TrackerList:
    """The trackers of a running run. A tracker that fails is dropped, and the training continues without it."""

    def __init__(self, kind: str, run: Path) -> None:
        """Open the trackers of a run.

        Args:
            kind: none, tensorboard, mlflow or both.
            run: the run directory.
        """
        self._run = run
        self._trackers: dict[str, Tracker] = {}
        for name in {"none": (), "both": tuple(TRACKERS)}.get(kind, (kind,)):
            with self._drop_on_error(name):
                self._trackers[name] = open_tracker(name, run)

    def log_epochs(self) -> None:
        """Log the epochs since the last call."""
        for name, tracker in list(self._trackers.items()):
            with self._drop_on_error(name):
                tracker.log_epochs(read_run(self._run))

    def log_end(self, state: str) -> None:
        """Log that the run ended.

        Args:
            state: the final state, which the run directory may not contain yet.
        """
        for name, tracker in list(self._trackers.items()):
            with self._drop_on_error(name):
                run = replace(read_run(self._run), state=state)
                tracker.log_epochs(run)
                logger.info("logged to %s", tracker.log_end(run))

    @contextlib.contextmanager
    def _drop_on_error(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._trackers.pop(name, None)
            advice = f"run 'fer-tui log {self._run.name} --to {name}' after you have fixed it"
            logger.warning("%s: %s; the run continues without it: %s", name, first_line(error)[:300], advice)


TRACKERS: Mapping[str, Callable[[Path], Tracker]] = {"tensorboard": TensorBoardTracker, "mlflow": MlflowTracker}
