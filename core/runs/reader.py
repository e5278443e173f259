"""Read run directories (docs/run-directory.md) for the screens, the tables and the commands.

`core.runs.writer` writes the directories. This module imports only the standard library and light modules of core.
"""

from __future__ import annotations

import json
import os
import stat
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
    """The content of a run directory at one moment.

    Attributes:
        path: the run directory.
        state: one of STATES; a missing process or heartbeat also means `interrupted`.
        config: config.json; empty if the file is missing or damaged.
        environment: environment.json; empty if the file is missing or damaged.
        status: status.json; empty if the file is missing or damaged.
        history: one mapping per epoch, from HISTORY_COLUMNS to numbers (NaN for missing values).
        evaluation: evaluation.json; None if the file is missing or damaged.
        problem: the first file that can't be read, and why; empty if there is none.
    """

    path: Path
    state: str
    config: ConfigFile = field(repr=False)
    environment: EnvironmentFile = field(repr=False)
    status: StatusFile = field(repr=False)
    history: Epochs = field(repr=False)
    evaluation: EvaluationFile | None = field(repr=False)
    problem: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The run's name, which is the directory's name."""
        return self.path.name

    @property
    def model(self) -> str:
        """The model's name; "?" if it is not known."""
        return self.config.get("model", "?")

    @property
    def message(self) -> str:
        """The problem with the run's files, else the run's latest message; empty without one."""
        return f"can't be read: {self.problem}" if self.problem else self.status.get("message") or ""

    @property
    def metrics(self) -> EvaluationFile:
        """The evaluation; empty if the run has none."""
        return {} if self.evaluation is None else self.evaluation

    @property
    def seconds(self) -> float:
        """The total duration of all epochs, in seconds."""
        return sum(seconds for seconds in column(self.history, "seconds") if seconds == seconds)

    def kept_epoch(self) -> Mapping[str, float] | None:
        """Return the row of the reported epoch: the best by the config's monitor, or the last; None without epochs."""
        return self._kept

    @cached_property
    def _kept(self) -> Mapping[str, float] | None:
        # Cached because a list of a thousand runs reads it at every refresh.
        return kept_epoch(self.history, self.config)

    @property
    def warnings(self) -> list[Finding]:
        """The warnings about the run's metrics that are known so far."""
        return list((self.evaluation or self.environment).get("warnings", ()))


def is_improvement(monitor: str, value: float, best: float | None, min_delta: float = 0.0) -> bool:
    """Return whether a monitor's value is better than the best one by more than `min_delta`.

    Lower is better for losses, higher for all other metrics. Any number is better than a missing value or NaN.
    """
    if value != value:
        return False
    if best is None or best != best:
        return True
    return value < best - min_delta if is_lower_better(monitor) else value > best + min_delta


def kept_epoch(history: Epochs, config: ConfigFile) -> Mapping[str, float] | None:
    """Return the row of the kept epoch; None before the first epoch ends."""
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
    """Return whether a path is a run directory. A folder whose content may not be read counts as one."""
    try:
        return stat.S_ISREG((path / CONFIG).stat().st_mode)
    except PermissionError:
        return not path.name.startswith(".") and path.name != "lost+found"
    except (OSError, ValueError):
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
        raise RunError("runs", f"{folder}: {error.strerror}; choose a readable folder") from None


def find_run(name: str, folder: Path) -> Path:
    """Return the run directory that a name refers to.

    Args:
        name: a run directory's path, its name, a unique prefix of its name, or `latest`.
        folder: the folder of the runs.

    Raises:
        RunError: no run or several runs match.
    """
    if is_run(Path(name)):
        # The directory's name is the run's name, so a path such as "." must be resolved.
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
        raise RunError(f"{name}: {len(found)} runs start with it; give more of the name, such as {found[0].name}")
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
    names = (CONFIG, STATUS, ENVIRONMENT, EVALUATION)
    (config, status, environment, evaluation), problems = zip(*(_load_json(path / name) for name in names), strict=True)
    status = valid_fields(status, StatusFile)
    return RunSnapshot(
        path=path,
        state=_state(status),
        config=valid_fields(config, ConfigFile),
        environment=valid_fields(environment, EnvironmentFile),
        status=status,
        history=read_history(path / HISTORY) if history is None else history,
        evaluation=valid_fields(evaluation, EvaluationFile) if evaluation else None,
        problem=next(filter(None, (*problems, _history_problem(path / HISTORY))), ""),
    )


def read_state(path: Path) -> str:
    """Read only a run's state, from status.json."""
    return _state(valid_fields(read_json(path / STATUS), StatusFile))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file; empty if the file is missing or damaged."""
    return _load_json(path)[0]


def _load_json(path: Path) -> tuple[dict[str, Any], str]:
    """Return a file's JSON object, empty if there is none, and why it can't be read; a missing file is no problem."""
    try:
        value = json.loads(files.read_bytes(path).decode())
    except (FileNotFoundError, NotADirectoryError):
        return {}, ""
    except OSError as error:
        return {}, f"{path.name}: {error.strerror}"
    except (ValueError, RecursionError):
        value = None
    return (value, "") if isinstance(value, dict) else ({}, f"{path.name}: the file is damaged")


def _history_problem(path: Path) -> str:
    """Return why an existing file of metrics can't be read; empty if it can."""
    try:
        files.open_to_read(path).close()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return f"{path.name}: {error.strerror}"
    return ""


def _state(status: StatusFile) -> str:
    """Return a run's state; `interrupted` if a queued or running run's process no longer exists."""
    state = status.get("state")
    if state is None or state not in STATES:
        return "interrupted"
    if state in ("queued", "running") and not is_alive(status):
        return "interrupted"
    return state
