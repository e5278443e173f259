"""Stores every epoch and decides whether training continues."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.config.training_config import TrainingConfig
from core.export.tracker_registry import TrackerList
from core.runs.writer import RunWriter
from core.training.checkpoint_saver import CheckpointSaver
from core.training.epoch_policy import EpochPolicy
from core.training.plan import Plan

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)


class EpochRecorder:
    """Stores the training loop's epochs in the run directory and decides when to end the run."""

    def __init__(
        self,
        config: TrainingConfig,
        writer: RunWriter,
        stop: threading.Event,
        plan: Plan,
        policy: EpochPolicy,
        tracking: TrackerList,
        saver: CheckpointSaver,
    ) -> None:
        self.policy = policy
        self.diverged = False
        self._config = config
        self._writer = writer
        self._stop = stop
        self._plan = plan
        self._tracking = tracking
        self._checkpoints = saver
        self._finished = False
        self._started = self._trained = time.monotonic()
        policy.state.base_rate = config.learning_rate

    def begin_epoch(self, epoch: int) -> None:
        """Record the start of an epoch, counted from 0."""
        self._started = time.monotonic()
        self._writer.update(epoch=epoch + 1, batch=0, message="")

    def set_message(self, message: str) -> None:
        """Set the run's message; empty while it trains."""
        self._writer.update(message=message)

    def record_progress(self, batches: int, loss: float) -> None:
        """Record the number of finished batches and their mean loss."""
        self._writer.update(batch=batches)
        self.diverged = not math.isfinite(loss)

    def is_ending(self) -> bool:
        """Return whether the run ends before the next batch."""
        return self.diverged or self._finished or self._stop.is_set()

    def begin_validation(self) -> None:
        """Record the end of the epoch's training batches."""
        self._trained = time.monotonic()
        self._writer.update(batch=self._plan.steps_per_epoch, message="validating")

    def end_epoch(self, model: keras.Model, logs: Mapping[str, float]) -> None:
        """Store an epoch and decide whether training continues.

        An epoch that a stop request interrupted is not stored.
        """
        if self._stop.is_set() or not self._writer.is_owner():
            return
        if not math.isfinite(logs.get("loss", math.nan)):
            self.diverged = True
            return
        seconds, training_seconds = time.monotonic() - self._started, max(self._trained - self._started, 1e-9)
        row = {
            **logs,
            "epoch": self.policy.state.epoch + 1,
            "learning_rate": current_learning_rate(model),
            "seconds": round(seconds, 3),
            "images_per_second": round(self._plan.images(self.policy.state.epoch) / training_seconds, 1),
        }
        decision = self.policy.end_epoch(row, seconds)
        if decision.rate_factor != 1:
            model.optimizer.learning_rate = current_learning_rate(model) * decision.rate_factor
        self._writer.append_epoch(row)
        self._checkpoints.store(self.policy.state, is_kept=decision.is_kept)
        figures = "  ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "epoch")
        logger.info("epoch %s: %s", row["epoch"], figures)
        self._tracking.log_epochs()
        self._finished = self.policy.is_finished(seconds)


def current_learning_rate(model: keras.Model) -> float:
    """Return the learning rate of the next step. A mirrored run has one variable per device, all with this value."""
    import tensorflow as tf

    return float(tf.convert_to_tensor(model.optimizer.learning_rate))
