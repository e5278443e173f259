"""Training in a notebook or a script: one call that prints a line for each epoch and returns the run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.training_config import TrainingConfig, resolve
from core.errors import ConfigError, RunError
from core.jobs.run_queue import RunQueue, describe_error
from core.runs.names import LOG
from core.runs.progress import EpochLines, describe_ending
from core.runs.reader import find_run, read_run, run_path, runs_folder
from core.runs.resume import load_config, move_data, requeue, resume_caveat
from core.runs.writer import create_run

if TYPE_CHECKING:
    from core.runs.reader import RunSnapshot

# Seconds between two looks at the run directory.
INTERVAL = 0.1
# What may change in the settings of a resumed run.
CHANGEABLE = ("epochs", "learning_rate", "data")


def train(
    config: TrainingConfig | None = None,
    *,
    runs: Path | str | None = None,
    resume: RunSnapshot | Path | str | None = None,
    progress: bool = True,
    **settings: Any,
) -> RunSnapshot:
    """Train one model and evaluate it, as `fer-tui train` does.

    The run trains in a thread of this process, or in a process of its own where its settings change the whole process
    (`deterministic`, several devices). Training seeds the random generators of Python, NumPy and Keras. Ctrl+C, or a
    notebook's stop button, stops the run after the batch in progress and returns it; a second one raises
    KeyboardInterrupt at once, and the run still stops by itself.

    Args:
        config: the run's settings, made by `core.resolve`.
        runs: the folder of runs; by default `$FER_TUI_RUNS`, else `runs` in the working directory.
        resume: the run to resume: a snapshot, a directory, the beginning of a name in `runs`, or `latest`. Only
            `epochs`, `learning_rate` and the path of the same `data` can change. A completed run without more epochs is
            returned as it is.
        progress: whether to print a line for each epoch, the warnings about the data set, and how the run ended.
        **settings: fields of TrainingConfig, which replace those of `config`. Without a config, `data` and `model` are
            required.

    Returns:
        The run, whose `state` is `completed`, `stopped` or `diverged`. See its `path`, `history` and `evaluation`.

    Raises:
        ConfigError: a setting is unknown, missing or not allowed.
        DatasetError: the data set can't be read, or has nothing to train on.
        RunError: the run failed, or can't be written or resumed. The directory of a failed run stays.

    Example:
        >>> run = core.train(data="faces", model="compact", epochs=10)
        >>> run.evaluation["accuracy"]
        >>> run = core.train(resume=run, epochs=20)
    """
    show = _print if progress else _ignore
    if resume is None:
        path = _begin(config, settings, runs, show)
    else:
        path = _find(resume, runs)
        if not _requeue(path, config, settings, show):
            return read_run(path)
    _train(path, show)
    run = read_run(path)
    if run.state in ("failed", "interrupted"):
        raise RunError(f"{path}: {run.state}: {run.message or f'see {LOG} there'}; {_advice(path)}")
    show(describe_ending(run, _advice(path)))
    return run


def _begin(
    config: TrainingConfig | None, settings: dict[str, Any], runs: Path | str | None, show: Callable[[str], None]
) -> Path:
    """Make the directory of a new run, once its settings and files are checked."""
    from core.training.checks import check_files

    resolved = resolve({**(config.model_dump() if config else {}), **settings})
    for problem in check_files([resolved]):
        show(f"warning: {problem.message}")
    return create_run(resolved, runs_folder(runs))


def _find(run: RunSnapshot | Path | str, runs: Path | str | None) -> Path:
    return find_run(str(run_path(run)), runs_folder(runs))


def _requeue(path: Path, config: TrainingConfig | None, settings: dict[str, Any], show: Callable[[str], None]) -> bool:
    """Make an ended run a queued one; returns whether there is something left to train.

    Raises:
        ConfigError: a setting is given that a resumed run keeps.
        RunError: the run can't be resumed.
    """
    kept = [name for name in settings if name not in CHANGEABLE]
    if config is not None or kept:
        name = kept[0] if kept else "config"
        raise ConfigError(name, f"a resumed run keeps its settings; give only {', '.join(CHANGEABLE)}, or resume none")
    snapshot = read_run(path)
    data = None if (given := settings.get("data")) is None else Path(given)
    if settings.keys() <= {"data"} and snapshot.state == "completed" and snapshot.evaluation:
        if data is not None:
            move_data(path, data)
            return False
        show(f"{path.name}: already completed; give it more epochs to train it further")
        return False
    requeue(path, settings.get("epochs"), settings.get("learning_rate"), data)
    caveat = resume_caveat(path)
    if caveat:
        show(f"{path.name}: {caveat}")
    return True


def _train(path: Path, show: Callable[[str], None]) -> None:
    """Train a queued run in a worker thread and print its epochs; return when the thread has ended."""
    config = load_config(path)
    changes_process = config.deterministic or not config.is_single_device
    queue = RunQueue([path], in_children=changes_process, captures_stderr=False)
    worker = threading.Thread(target=queue.work, name="trainer", daemon=True)
    epochs = EpochLines()
    epochs.new(read_run(path))
    is_stopping = False
    try:
        worker.start()
        while True:
            try:
                _follow(path, worker, epochs, show)
                break
            except KeyboardInterrupt:
                if is_stopping:
                    raise
                is_stopping = True
                queue.stop()
                show(f"{path.name}: stops after the batch in progress; interrupt again to stop waiting")
    except BaseException:
        queue.stop()
        raise
    error = queue.errors.get(path)
    if isinstance(error, OSError):
        raise RunError(describe_error(error)) from error
    if error is not None:
        raise error


def _follow(path: Path, worker: threading.Thread, epochs: EpochLines, show: Callable[[str], None]) -> None:
    """Show the lines of new epochs until the worker has ended."""
    while True:
        # Before the directory is read, so that the last epochs are shown too.
        is_working = worker.is_alive()
        for line in epochs.new(read_run(path)):
            show(line)
        if not is_working:
            return
        time.sleep(INTERVAL)


def _advice(path: Path) -> str:
    return f"resume it with train(resume={str(path)!r})"


def _print(line: str) -> None:
    print(line, flush=True)


def _ignore(line: str) -> None:
    pass
