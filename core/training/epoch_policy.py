"""What a run decides after every epoch: which one is kept, when the rate drops, when it ends. No Keras here."""

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
    """What follows from an epoch.

    Attributes:
        is_kept: whether its model is to be kept.
        rate_factor: what to multiply the learning rate by before the next epoch.
    """

    is_kept: bool
    rate_factor: float = 1.0


class EpochPolicy:
    """Early stopping, the plateau schedule, the time budget, and the epoch that is kept.

    It remembers nothing but `state`, which a checkpoint stores: a resumed run decides as if it had never stopped.
    """

    def __init__(self, config: TrainingConfig, state: TrainingState) -> None:
        """Continue from a state.

        Args:
            config: monitor, min_delta, patience, keep, schedule, epochs and time budget.
            state: of the last epoch; a new one before the first.
        """
        self._config = config
        self.state = state

    def end_epoch(self, row: Mapping[str, float], seconds: float) -> EpochDecision:
        """Count an epoch and decide what follows from it.

        Args:
            row: its figures by the names of history.csv.
            seconds: that it took.
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
        """Whether the number of epochs, early stopping, or the time budget ends the run.

        Args:
            next_epoch: seconds that one more epoch would take.
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
        """Why the run ended before its last epoch; empty if it did not."""
        done, wanted = self.state.epoch, self._config.epochs
        if done >= wanted:
            return ""
        why = f"no better {self._config.monitor}" if self._has_stalled() else "time budget"
        return f"ended after {done} of {wanted} epochs: {why}"
