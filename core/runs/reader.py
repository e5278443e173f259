"""Reading run directories: what the screens, the tables and the other commands know of a run.

A run is a directory (docs/run-directory.md); `core.runs.writer` writes it, everything else reads it here, with
nothing heavier than the standard library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from core.errors import RunError
from core.runs.history import Epochs, column, is_lower_better, read_history
from core.runs.names import CONFIG, ENVIRONMENT, EVALUATION, HISTORY, STATUS
from core.runs.schema import ConfigFile, EnvironmentFile, EvaluationFile, Finding, StatusFile, valid_fields
from core.system import files
from core.system.processes import is_alive

STATES = ("queued", "running", "completed", "stopped", "failed", "diverged", "interrupted")
FINAL_STATES = ("completed", "stopped", "failed", "diverged", "interrupted")


@dataclass(frozen=True)
class RunSnapshot:
    """A run as its directory tells it at one moment.

    Attributes:
        path: the run directory.
        state: one of STATES; `interrupted` is read off a missing process or heartbeat, never written.
        config: config.json; empty where it is missing or damaged, as are the next two.
        environment: environment.json.
        status: status.json.
        history: a mapping an epoch, HISTORY_COLUMNS to numbers (NaN where the file says nothing).
        evaluation: evaluation.json, once it is there.
    """

    path: Path
    state: str
    config: ConfigFile = field(repr=False)
    environment: EnvironmentFile = field(repr=False)
    status: StatusFile = field(repr=False)
    history: Epochs = field(repr=False)
    evaluation: EvaluationFile | None = field(repr=False)

    @property
    def name(self) -> str:
        """The directory's name, which is the run's."""
        return self.path.name

    @property
    def model(self) -> str:
        """The model's name, "?" where config.json can't say."""
        return self.config.get("model", "?")

    @property
    def message(self) -> str:
        """What the run last said of itself."""
        return self.status.get("message") or ""

    @property
    def metrics(self) -> EvaluationFile:
        """The evaluation; empty before there is one."""
        return {} if self.evaluation is None else self.evaluation

    @property
    def seconds(self) -> float:
        """Time spent in epochs, in seconds."""
        return sum(seconds for seconds in column(self.history, "seconds") if seconds == seconds)

    def kept_epoch(self) -> Mapping[str, float] | None:
        """The row of the epoch that is reported: the best by the config's monitor, or the last."""
        return self._kept

    @cached_property
    def _kept(self) -> Mapping[str, float] | None:
        # A list of a thousand runs asks for it at every look.
        return kept_epoch(self.history, self.config)

    @property
    def warnings(self) -> list[Finding]:
        """What the audit holds against the run's figures, so far."""
        return list((self.evaluation or self.environment).get("warnings", ()))


def is_improvement(monitor: str, value: float, best: float | None, min_delta: float = 0.0) -> bool:
    """Whether a monitor's value is better than the best one: lower for a loss, higher for anything else."""
    if value != value:
        return False
    if best is None or best != best:
        return True
    return value < best - min_delta if is_lower_better(monitor) else value > best + min_delta


def kept_epoch(history: Epochs, config: ConfigFile) -> Mapping[str, float] | None:
    """The row of the kept epoch, None before the first one."""
    if not history:
        return None
    if config.get("keep", "best") == "last":
        return history[-1]
    monitor = config.get("monitor", "val_loss")
    kept, best = 0, float("nan")
    for at, value in enumerate(column(history, monitor)):
        if is_improvement(monitor, value, best):
            kept, best = at, value
    return history[kept]


def runs_folder(option: Path | str | None) -> Path:
    """RUNS: the option, else $FER_TUI_RUNS, else ./runs."""
    return Path(option or os.environ.get("FER_TUI_RUNS") or "runs")


def run_path(run: RunSnapshot | Path | str) -> Path:
    """Return the directory of a run, given as that directory or as a snapshot."""
    return run.path if isinstance(run, RunSnapshot) else Path(run)


def is_run(path: Path) -> bool:
    """Whether a folder is a run directory; one that can't be looked into is none."""
    try:
        return (path / CONFIG).is_file()
    except OSError:
        return False


def list_runs(folder: Path | str | None = None) -> list[Path]:
    """List the run directories of a folder.

    Args:
        folder: the folder; by default `$FER_TUI_RUNS`, else `runs` in the working directory.

    Returns:
        The directories, newest first; empty where the folder does not exist.

    Raises:
        RunError: the path is not a folder, or can't be read.

    Example:
        >>> core.list_runs("runs")
        [PosixPath('runs/20261127-000328-659-model2-28a3')]
    """
    folder = runs_folder(folder)
    try:
        return sorted((path for path in folder.iterdir() if is_run(path)), reverse=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError("runs", f"{folder}: {error.strerror}; name a folder that can be read") from None


def find_run(name: str, folder: Path) -> Path:
    """The run directory that RUN means: a directory, a unique prefix of its name, or `latest`.

    Raises:
        RunError: there is none, or several.
    """
    if is_run(Path(name)):
        # A run goes by the name of its directory, which "." does not tell.
        return Path(name).resolve()
    runs = list_runs(folder)
    if not runs:
        raise RunError(
            f"{name}: there are no runs in {folder}; start one with 'fer-tui train', or set runs to another folder"
        )
    if name == "latest":
        return runs[0]
    found = [path for path in runs if name and path.name.startswith(name)]
    found = [path for path in found if path.name == name] or found
    if not found:
        raise RunError(f"{name}: no such run in {folder}; 'fer-tui runs' lists them")
    if len(found) > 1:
        raise RunError(f"{name}: {len(found)} runs begin so; give more of the name, such as {found[0].name}")
    return found[0]


def read_run(path: Path | str, history: Epochs | None = None) -> RunSnapshot:
    """Read a run directory as it is now.

    Args:
        path: the run directory.
        history: the content of `history.csv`, where it was read before and has not changed since.

    Returns:
        A snapshot. A missing directory reads as an interrupted run without settings, damaged files as empty, and
        values of a wrong type as missing.

    Example:
        >>> run = core.read_run("runs/20261127-000328-659-model2-28a3")
        >>> run.state, len(run.history)
        ('completed', 5)
    """
    path = Path(path)
    config = valid_fields(read_json(path / CONFIG), ConfigFile)
    status = valid_fields(read_json(path / STATUS), StatusFile)
    environment = valid_fields(read_json(path / ENVIRONMENT), EnvironmentFile)
    evaluation = read_json(path / EVALUATION)
    return RunSnapshot(
        path=path,
        state=_state(status),
        config=config,
        environment=environment,
        status=status,
        history=read_history(path / HISTORY) if history is None else history,
        evaluation=valid_fields(evaluation, EvaluationFile) if evaluation else None,
    )


def read_state(path: Path) -> str:
    """A run's state alone, from the one file that tells it."""
    return _state(valid_fields(read_json(path / STATUS), StatusFile))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object; empty where it is missing or damaged."""
    try:
        value = json.loads(files.read_bytes(path).decode())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _state(status: StatusFile) -> str:
    """The state, with `interrupted` for a queued or running run whose process is gone."""
    state = status.get("state")
    if state is None or state not in STATES:
        return "interrupted"
    if state in ("queued", "running") and not is_alive(status):
        return "interrupted"
    return state
