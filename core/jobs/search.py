"""Hyperparameter search: an Optuna study in which each trial is an ordinary run directory.

A study is a file beside RUNS. Several processes, also on several hosts, can append to it. A trial's result is always
read from its run directory, so that any process can read it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.command_line import train_command
from core.config.training_config import TrainingConfig, resolve
from core.errors import ConfigError, FerError, RunError
from core.jobs.run_queue import RunQueue
from core.jobs.search_space import Space, first_values
from core.runs.history import is_lower_better
from core.runs.reader import read_run
from core.runs.resume import requeue
from core.runs.schema import valid_fields
from core.runs.writer import create_run, request_stop
from core.system.extras import install_command
from core.system.processes import Owner, is_alive, this_process

if TYPE_CHECKING:
    import optuna

TICK = 0.25
# The number of trials before pruning starts, and the number of consecutive failures that end a search.
STARTUP_TRIALS = 5
MOST_FAILURES = 3


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial.

    Attributes:
        number: the trial's number in the study, counted from 0.
        state: running, completed, pruned or failed.
        value: the monitor's value in the kept epoch, or in the last epoch of a pruned trial.
        parameters: the trial's values from the search space.
        run: the run directory; None if there is none.
        message: why the trial failed.
    """

    number: int
    state: str
    value: float | None
    parameters: Mapping[str, Any]
    run: Path | None
    message: str


def study_file(runs: Path) -> Path:
    """Return the default path of a study: beside RUNS, which contains only run directories."""
    place = runs.absolute()
    return place.with_name(f"{place.name}.study")


class Search:
    """One process's part in a study: it calls `begin`, `train` and `tell` for each trial."""

    def __init__(
        self, settings: Mapping[str, Any], space: Space, runs: Path, file: Path, *, prune: bool = True
    ) -> None:
        """Open or create the study of these settings and this space in `file`.

        Args:
            settings: the TrainingConfig fields that all trials share.
            space: the search space of other fields, from `read_space`.
            runs: RUNS, the folder of the trials' run directories.
            file: the study's file, which can contain several studies.
            prune: whether to stop a trial that is worse than the median of the earlier trials at the same epoch.

        Raises:
            ConfigError: the settings are invalid, or the file is not a study.
            RunError: Optuna is not installed, or the file can't be written.
        """
        self._settings, self._space, self._runs = settings, space, runs
        first = self.config(first_values(space))
        self.name = _study_name(first, space)
        self.monitor = first.monitor
        self._study = _open_study(file, self.name, first, prune=prune)
        self._ending = threading.Event()
        self._queue: RunQueue | None = None
        self._failures = 0
        self.deadline = math.inf

    def config(self, parameters: Mapping[str, Any]) -> TrainingConfig:
        """Return the config of a trial with these parameters."""
        return resolve({**self._settings, **parameters})

    def begin(self, trials: int | None) -> tuple[optuna.Trial, Path] | None:
        """Return the next trial and its run directory; None if the search is over.

        Args:
            trials: the total number of trials in the study, over all processes and calls; None for no limit.

        Raises:
            FerError: the run can't be created, or several trials in a row failed.
        """
        if self._failures >= MOST_FAILURES:
            last = [trial for trial in self.results() if trial.state == "failed"][-1]
            raise RunError(f"{MOST_FAILURES} trials in a row failed; the last: {last.message}")
        self._conclude_lost_trials()
        if self._is_over() or (trials is not None and self._count_trials() >= trials):
            return None
        trial = self._study.ask()
        trial.set_user_attr("process", this_process())
        try:
            if trials is not None and self._count_trials(before=trial.number) >= trials:
                # Another process took the last trial at the same time.
                return self._fail(trial, "")
            return trial, self._prepare_run(trial)
        except FerError as error:
            self._fail(trial, str(error))
            raise

    def train(self, trial: optuna.Trial, run: Path) -> None:
        """Train a trial in a child process, and prune it if its results are poor."""
        self._queue = RunQueue([run], in_children=True)
        worker = threading.Thread(target=self._queue.work, name="trial", daemon=True)
        if self._ending.is_set():
            self._queue.stop()
        worker.start()
        reported = 0
        while worker.is_alive():
            worker.join(TICK)
            # Stop only once: a second stop would kill the trial's process.
            if time.monotonic() > self.deadline and not self._ending.is_set():
                self.stop()
            reported = self._report(trial, run, reported)

    def tell(self, trial: optuna.Trial, run: Path) -> TrialResult:
        """Store the result of a trial that was trained."""
        error = self._queue.errors.get(run) if self._queue else None
        if error is not None:
            trial.set_user_attr("message", str(error))
        self._conclude(trial.number, trial.user_attrs, is_ours=True)
        result = _result(self._study.trials[trial.number])
        self._failures = self._failures + 1 if result.state == "failed" else 0
        return result

    def stop(self) -> None:
        """End the current trial after its batch and start no other trial. A later call can resume the trial."""
        self._ending.set()
        if self._queue:
            self._queue.stop()

    def kill(self) -> None:
        """Kill the process of the current trial."""
        if self._queue:
            self._queue.kill()

    def results(self) -> list[TrialResult]:
        """Return every trial of the study that has started, including trials of other processes."""
        return [_result(trial) for trial in self._study.trials if trial.state.name != "WAITING"]

    def best(self) -> TrialResult | None:
        """Return the completed trial with the best value, the earliest of equal ones; None if there is none."""
        completed = [trial for trial in self.results() if trial.state == "completed" and trial.value is not None]
        sign = 1 if is_lower_better(self.monitor) else -1
        return min(completed, key=lambda trial: sign * (trial.value or 0.0), default=None)

    def _is_over(self) -> bool:
        return self._ending.is_set() or time.monotonic() > self.deadline

    def _count_trials(self, before: int | None = None) -> int:
        """Count the completed, pruned and running trials, or only those with a number below `before`."""
        return len(
            [
                trial
                for trial in self._study.get_trials(deepcopy=False)
                if trial.state.name in ("COMPLETE", "PRUNED", "RUNNING") and (before is None or trial.number < before)
            ]
        )

    def _prepare_run(self, trial: optuna.Trial) -> Path:
        """Create a run directory, or requeue the run of an interrupted trial."""
        chosen = {field: dimension.suggest(trial, field) for field, dimension in self._space.items()}
        if "run" in trial.user_attrs:
            run = Path(trial.user_attrs["run"])
            requeue(run)
            return run
        run = create_run(self.config(chosen), self._runs).absolute()
        trial.set_user_attr("run", str(run))
        return run

    def _report(self, trial: optuna.Trial, run: Path, reported: int) -> int:
        """Report new epochs to the pruner and stop the run if it prunes the trial; return the number of epochs."""
        history = read_run(run).history
        # RuntimeError: another host considered this process dead and has concluded the trial.
        with contextlib.suppress(RuntimeError):
            for row in history[reported:]:
                trial.report(row[self.monitor], int(row["epoch"]))
            if len(history) > reported and not trial.user_attrs.get("pruned") and trial.should_prune():
                trial.set_user_attr("pruned", True)
                request_stop(run)
        return len(history)

    def _conclude_lost_trials(self) -> None:
        """Conclude the trials whose process no longer runs."""
        for trial in self._study.trials:
            if trial.state.name != "RUNNING":
                continue
            beat = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
            if "run" in trial.user_attrs:
                beat = max(beat, read_run(Path(trial.user_attrs["run"])).status.get("heartbeat") or 0.0)
            process = valid_fields(trial.user_attrs.get("process", {}), Owner)
            if not is_alive({**process, "heartbeat": beat}):
                self._conclude(trial.number, trial.user_attrs, is_ours=False)

    def _conclude(self, number: int, attributes: Mapping[str, Any], *, is_ours: bool) -> None:
        """Store a trial's result in the study; queue the trial again if it was stopped or killed from outside.

        Args:
            number: the trial's number.
            attributes: the trial's `run`, whether it was `pruned`, and its `epochs` when it was last queued again.
            is_ours: whether this process trained the trial, so that its own stop may have ended the trial.
        """
        run = read_run(Path(attributes.get("run", "")))
        value = (run.kept_epoch() or {}).get(self.monitor, math.nan)
        state = _outcome(run.state, value, is_pruned=bool(attributes.get("pruned")))
        try:
            self._study.tell(number, value if state.name == "COMPLETE" else None, state)
        except (ValueError, RuntimeError):
            # Another process has already stored the same result.
            return
        stopped = run.state == "stopped" and is_ours and self._is_over()
        # A killed trial must have gained an epoch, so that a trial that always crashes is not retried forever.
        killed = run.state == "interrupted" and run.config and len(run.history) > attributes.get("epochs", -1)
        if state.name == "FAIL" and "message" not in attributes and (stopped or killed):
            again = {"run": attributes["run"], "epochs": len(run.history)}
            self._study.enqueue_trial(self._study.trials[number].params, user_attrs=again)

    def _fail(self, trial: optuna.Trial, message: str) -> None:
        trial.set_user_attr("message", message)
        self._study.tell(trial, state=_outcome("failed", math.nan, is_pruned=False))


def _outcome(state: str, value: float, *, is_pruned: bool) -> optuna.trial.TrialState:
    """Return a trial's state in the study from its run's state and its monitor's value."""
    from optuna.trial import TrialState

    if state == "completed" and math.isfinite(value):
        return TrialState.COMPLETE
    # The sampler ignores failed trials and learns from pruned trials.
    if state == "diverged" or (is_pruned and state != "failed"):
        return TrialState.PRUNED
    return TrialState.FAIL


def _result(trial: optuna.trial.FrozenTrial) -> TrialResult:
    states = {"COMPLETE": "completed", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
    run = Path(trial.user_attrs["run"]) if "run" in trial.user_attrs else None
    state, message = states[trial.state.name], str(trial.user_attrs.get("message", ""))
    if state == "failed" and run and not message:
        snapshot = read_run(run)
        message = snapshot.message or snapshot.state
    value = trial.value if trial.value is not None and math.isfinite(trial.value) else None
    return TrialResult(trial.number, state, value, trial.params, run, message)


def _study_name(first: TrainingConfig, space: Space) -> str:
    """Return a study's name, which depends on the settings and the space, but not on the device."""
    default = TrainingConfig.model_fields["devices"].default
    ranges = {field: [dimension.kind, asdict(dimension)] for field, dimension in space.items()}
    text = train_command(first.model_copy(update={"devices": default})) + json.dumps(ranges, sort_keys=True)
    return f"{first.model}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _open_study(file: Path, name: str, config: TrainingConfig, *, prune: bool) -> optuna.Study:
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    except ImportError:
        raise RunError(f"a search needs Optuna, which is not installed; {install_command('search')}") from None
    # No trial is pruned in the first fifth of its epochs, because a warm-up says little about the final result.
    pruner = optuna.pruners.MedianPruner(STARTUP_TRIALS, n_warmup_steps=max(config.epochs // 5, 1))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size:
            # Check the first line, because Optuna would append to a file that has only one line of any content.
            with file.open("rb") as lines:
                json.loads(lines.readline())["op_code"]
        # This lock works on NFS version 3 and later, unlike Optuna's other locks, and survives a dead process.
        lock = JournalFileOpenLock(str(file))
        return optuna.create_study(
            study_name=name,
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(file), lock_obj=lock)),
            direction="minimize" if is_lower_better(config.monitor) else "maximize",
            # Running trials count as bad until they end, so that processes try different parameters.
            sampler=optuna.samplers.TPESampler(constant_liar=True),
            pruner=pruner if prune else optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
    except OSError as error:
        raise RunError("study", f"{file}: {error.strerror}; choose a writable file") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError("study", f"{file}: the file is not a study of a search; choose another file") from None
