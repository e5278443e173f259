"""Decisions after every epoch: which model to keep, when to lower the learning rate, and when to end the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from core.config.training_config import TrainingConfig
from core.runs.checkpoint import TrainingState
from core.runs.reader import is_improvement

PLATEAU_PATIENCE = 3
PLATEAU_FACTOR = 0.2


@dataclass(frozen=True)
class EpochDecision:
    """The decision after an epoch.

    Attributes:
        is_kept: whether to keep the epoch's model.
        rate_factor: the factor for the learning rate of the next epoch.
    """

    is_kept: bool
    rate_factor: float = 1.0


class EpochPolicy:
    """Early stopping, the plateau schedule, the time budget and the choice of the kept epoch.

    Its only memory is `state`, which a checkpoint stores. A resumed run therefore makes the same decisions as an
    uninterrupted run.
    """

    def __init__(self, config: TrainingConfig, state: TrainingState) -> None:
        """Continue from a state.

        Args:
            config: monitor, min_delta, patience, keep, schedule, epochs and time budget.
            state: the state after the last epoch, or a new one.
        """
        self._config = config
        self.state = state

    def end_epoch(self, row: Mapping[str, float], seconds: float) -> EpochDecision:
        """Record an epoch and return the decision.

        Args:
            row: the epoch's values by the column names of history.csv.
            seconds: the epoch's duration.
        """
        config, state = self._config, self.state
        state.epoch += 1
        state.seconds += seconds
        value = row.get(config.monitor, math.nan)
        is_best = is_improvement(config.monitor, value, state.best)
        if is_best:
            state.best, state.best_epoch = value, state.epoch
        is_kept = is_best or state.epoch == 1 or config.keep == "last"
        if is_improvement(config.monitor, value, state.stopping_best, config.min_delta):
            state.stopping_best, state.wait, state.plateau_wait = value, 0, 0
            return EpochDecision(is_kept)
        state.wait += 1
        state.plateau_wait += 1
        if config.schedule == "plateau" and state.plateau_wait >= PLATEAU_PATIENCE:
            state.plateau_wait = 0
            return EpochDecision(is_kept, PLATEAU_FACTOR)
        return EpochDecision(is_kept)

    def is_finished(self, next_epoch: float = 0.0) -> bool:
        """Return whether the number of epochs, early stopping or the time budget ends the run.

        Args:
            next_epoch: the expected duration of another epoch in seconds.
        """
        config, state = self._config, self.state
        is_late = config.time_budget is not None and state.seconds + next_epoch > config.time_budget
        return state.epoch >= config.epochs or self._has_stalled() or is_late

    def _has_stalled(self) -> bool:
        return self._config.patience is not None and self.state.wait >= max(self._config.patience, 1)

    @property
    def kept_epoch(self) -> int:
        """The epoch whose model is kept, counted from 1."""
        return self.state.epoch if self._config.keep == "last" else max(self.state.best_epoch, 1)

    def early_end_reason(self) -> str:
        """Return why the run ended before its last epoch; empty if it did not."""
        done, wanted = self.state.epoch, self._config.epochs
        if done >= wanted:
            return ""
        why = f"{self._config.monitor} stopped improving" if self._has_stalled() else "time budget"
        return f"ended after {done} of {wanted} epochs: {why}"
