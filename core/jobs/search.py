"""Hyper-parameter search: an Optuna study of which every trial is an ordinary run directory.

A study is a file beside RUNS that any number of processes, on any hosts that see it, append to. What a trial came
to is always read off its run directory, so that it does not matter which process looks.
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
# Trials that are compared with before one is pruned, and failures in a row that end a search.
STARTUP_TRIALS = 5
MOST_FAILURES = 3


@dataclass(frozen=True)
class TrialResult:
    """What a trial came to.

    Attributes:
        number: counted from 0 in the study.
        state: running, completed, pruned or failed.
        value: the monitor in the kept epoch; of a pruned trial, in its last one.
        parameters: its place in the space.
        run: its run directory; None where there is none.
        message: why it failed.
    """

    number: int
    state: str
    value: float | None
    parameters: Mapping[str, Any]
    run: Path | None
    message: str


def study_file(runs: Path) -> Path:
    """Where a search keeps its study unless told: beside RUNS, which holds run directories only."""
    place = runs.absolute()
    return place.with_name(f"{place.name}.study")


class Search:
    """One process's work on a study: `begin` a trial, `train` it, `tell` what came of it, and so on."""

    def __init__(
        self, settings: Mapping[str, Any], space: Space, runs: Path, file: Path, *, prune: bool = True
    ) -> None:
        """Open the study of these settings and space in `file`, or begin it.

        Args:
            settings: TrainingConfig fields that all trials share.
            space: of the others, what to choose from, as `read_space` gives it.
            runs: RUNS, where the trials' run directories go.
            file: the study's file, which may hold several studies.
            prune: whether to stop a trial that is worse than the median of the earlier ones at its epoch.

        Raises:
            ConfigError: the settings are wrong, or the file is no study.
            RunError: Optuna is missing, or the file can't be written.
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
        """The settings of a trial at this place in the space."""
        return resolve({**self._settings, **parameters})

    def begin(self, trials: int | None) -> tuple[optuna.Trial, Path] | None:
        """The next trial and its run directory; None where the search is over.

        Args:
            trials: how many the study shall have, those of all processes and calls; None for no end.

        Raises:
            FerError: the run can't be made, or trials keep failing.
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
                # Another process had the last one at the same moment.
                return self._fail(trial, "")
            return trial, self._prepare_run(trial)
        except FerError as error:
            self._fail(trial, str(error))
            raise

    def train(self, trial: optuna.Trial, run: Path) -> None:
        """Train a trial to its end, in a process of its own; prune it where it is hopeless."""
        self._queue = RunQueue([run], in_children=True)
        worker = threading.Thread(target=self._queue.work, name="trial", daemon=True)
        if self._ending.is_set():
            self._queue.stop()
        worker.start()
        told = 0
        while worker.is_alive():
            worker.join(TICK)
            # Once: a second request would force the trial's process to end.
            if time.monotonic() > self.deadline and not self._ending.is_set():
                self.stop()
            told = self._report(trial, run, told)

    def tell(self, trial: optuna.Trial, run: Path) -> TrialResult:
        """Put down what came of a trial that was trained."""
        error = self._queue.errors.get(run) if self._queue else None
        if error is not None:
            trial.set_user_attr("message", str(error))
        self._conclude(trial.number, trial.user_attrs, is_ours=True)
        result = _result(self._study.trials[trial.number])
        self._failures = self._failures + 1 if result.state == "failed" else 0
        return result

    def stop(self) -> None:
        """End the trial under way after its batch, to be gone on with by a later call, and begin no other."""
        self._ending.set()
        if self._queue:
            self._queue.stop()

    def kill(self) -> None:
        """End the trial under way at once."""
        if self._queue:
            self._queue.kill()

    def results(self) -> list[TrialResult]:
        """Every trial of the study that began, those of other processes too."""
        return [_result(trial) for trial in self._study.trials if trial.state.name != "WAITING"]

    def best(self) -> TrialResult | None:
        """The completed trial with the best value, the earliest of equals; None before there is one."""
        completed = [trial for trial in self.results() if trial.state == "completed" and trial.value is not None]
        sign = 1 if is_lower_better(self.monitor) else -1
        return min(completed, key=lambda trial: sign * (trial.value or 0.0), default=None)

    def _is_over(self) -> bool:
        return self._ending.is_set() or time.monotonic() > self.deadline

    def _count_trials(self, before: int | None = None) -> int:
        """Trials that completed, were pruned, or are under way; those below a number where one is given."""
        return len(
            [
                trial
                for trial in self._study.get_trials(deepcopy=False)
                if trial.state.name in ("COMPLETE", "PRUNED", "RUNNING") and (before is None or trial.number < before)
            ]
        )

    def _prepare_run(self, trial: optuna.Trial) -> Path:
        """A new run directory, or the one of a trial that was interrupted, to go on with."""
        chosen = {field: dimension.suggest(trial, field) for field, dimension in self._space.items()}
        if "run" in trial.user_attrs:
            run = Path(trial.user_attrs["run"])
            requeue(run)
            return run
        run = create_run(self.config(chosen), self._runs).absolute()
        trial.set_user_attr("run", str(run))
        return run

    def _report(self, trial: optuna.Trial, run: Path, told: int) -> int:
        """Tell the pruner of new epochs and do what it says; returns how many it knows."""
        history = read_run(run).history
        # RuntimeError: another host took this process for dead and has concluded the trial.
        with contextlib.suppress(RuntimeError):
            for row in history[told:]:
                trial.report(row[self.monitor], int(row["epoch"]))
            if len(history) > told and not trial.user_attrs.get("pruned") and trial.should_prune():
                trial.set_user_attr("pruned", True)
                request_stop(run)
        return len(history)

    def _conclude_lost_trials(self) -> None:
        """Conclude the trials whose process is gone."""
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
        """Tell the study a trial's outcome; one that was cut short through no fault of its own is queued again.

        Args:
            number: the trial's.
            attributes: its `run`, whether it was `pruned`, and how many `epochs` it had when it was queued again.
            is_ours: whether this process trained it, so that a stop may have been its own.
        """
        run = read_run(Path(attributes.get("run", "")))
        value = (run.kept_epoch() or {}).get(self.monitor, math.nan)
        state = _outcome(run.state, value, is_pruned=bool(attributes.get("pruned")))
        try:
            self._study.tell(number, value if state.name == "COMPLETE" else None, state)
        except (ValueError, RuntimeError):
            # Another process was faster, and has seen the same.
            return
        stopped = run.state == "stopped" and is_ours and self._is_over()
        # One that ends its process each time it is tried is not tried for ever.
        killed = run.state == "interrupted" and run.config and len(run.history) > attributes.get("epochs", -1)
        if state.name == "FAIL" and "message" not in attributes and (stopped or killed):
            again = {"run": attributes["run"], "epochs": len(run.history)}
            self._study.enqueue_trial(self._study.trials[number].params, user_attrs=again)

    def _fail(self, trial: optuna.Trial, message: str) -> None:
        trial.set_user_attr("message", message)
        self._study.tell(trial, state=_outcome("failed", math.nan, is_pruned=False))


def _outcome(state: str, value: float, *, is_pruned: bool) -> optuna.trial.TrialState:
    """A trial's state in the study, by its run's state and monitor."""
    from optuna.trial import TrialState

    if state == "completed" and math.isfinite(value):
        return TrialState.COMPLETE
    # To the sampler a failed trial says nothing, a pruned one that its place is a bad one.
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
    """A study's name: the same for the same settings and space, whatever the device."""
    usual = TrainingConfig.model_fields["devices"].default
    told = {field: [dimension.kind, asdict(dimension)] for field, dimension in space.items()}
    text = train_command(first.model_copy(update={"devices": usual})) + json.dumps(told, sort_keys=True)
    return f"{first.model}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _open_study(file: Path, name: str, config: TrainingConfig, *, prune: bool) -> optuna.Study:
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    except ImportError:
        raise RunError(f"a search needs Optuna, which is not installed; {install_command('search')}") from None
    # Nothing is judged before a fifth of its epochs: a schedule's warm-up is no sign of anything.
    pruner = optuna.pruners.MedianPruner(STARTUP_TRIALS, n_warmup_steps=max(config.epochs // 5, 1))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size:
            # Optuna would append to a file of one line of anything.
            with file.open("rb") as lines:
                json.loads(lines.readline())["op_code"]
        # This lock works on NFS from version 3 on, where others don't, and is taken over from a dead process.
        lock = JournalFileOpenLock(str(file))
        return optuna.create_study(
            study_name=name,
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(file), lock_obj=lock)),
            direction="minimize" if is_lower_better(config.monitor) else "maximize",
            # What others are trying counts as bad until they are done, so that processes look in different places.
            sampler=optuna.samplers.TPESampler(constant_liar=True),
            pruner=pruner if prune else optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
    except OSError as error:
        raise RunError("study", f"{file}: {error.strerror}; name a file that can be written") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError("study", f"{file}: is no study of a search; name another file") from None
