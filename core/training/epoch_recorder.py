"""Store every epoch, and decide whether there is another."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.config.training_config import TrainingConfig
from core.export.tracking import Tracking
from core.runs.checkpoint import save_checkpoint
from core.runs.writer import RunWriter
from core.training.ema import averaged
from core.training.epoch_policy import EpochPolicy
from core.training.plan import Plan

if TYPE_CHECKING:
    import keras


logger = logging.getLogger(__name__)

CHECK_LOSS_SECONDS = 5.0


class EpochRecorder:
    """Receives epochs and batches from Keras's callback, stores them in the run directory, and decides when to end."""

    def __init__(
        self,
        config: TrainingConfig,
        run: Path,
        writer: RunWriter,
        stop: threading.Event,
        plan: Plan,
        policy: EpochPolicy,
        tracking: Tracking,
    ) -> None:
        self.policy = policy
        self.diverged = False
        self._config = config
        self._path = run
        self._writer = writer
        self._stop = stop
        self._plan = plan
        self._tracking = tracking
        self._finished = False
        self._started = self._trained = self._loss_checked = time.monotonic()
        policy.state.base_rate = config.learning_rate

    def begin_epoch(self, epoch: int) -> None:
        """Epoch `epoch`, counted from 0, begins."""
        self._started = self._loss_checked = time.monotonic()
        self._writer.update(epoch=epoch + 1, batch=0, message="")

    def begin_batch(self, batch: int, loss: Callable[[], float]) -> None:
        """A batch, counted from 0, begins; `loss` gives the running loss, and waits for the device."""
        self._writer.update(batch=batch)
        now = time.monotonic()
        if now - self._loss_checked > CHECK_LOSS_SECONDS:
            self._loss_checked = now
            self.diverged = not math.isfinite(loss())

    def is_ending(self) -> bool:
        """Whether no further batch is wanted."""
        return self.diverged or self._finished or self._stop.is_set()

    def begin_validation(self) -> None:
        """The epoch's last batch is done."""
        self._trained = time.monotonic()
        self._writer.update(batch=self._plan.steps, message="validating")

    def end_epoch(self, model: keras.Model, logs: Mapping[str, float]) -> None:
        """Store an epoch and decide whether there is another.

        A partial epoch, ended by a stop, is left out: the checkpoint before it stands.
        """
        if self._stop.is_set() or not self._writer.owns():
            return
        if not math.isfinite(logs.get("loss", math.nan)):
            self.diverged = True
            return
        seconds, training_seconds = time.monotonic() - self._started, max(self._trained - self._started, 1e-9)
        row = {
            **logs,
            "epoch": self.policy.state.epoch + 1,
            "learning_rate": learning_rate(model),
            "seconds": round(seconds, 3),
            "images_per_second": round(self._plan.steps * self._plan.batch / training_seconds, 1),
        }
        decision = self.policy.end_epoch(row, seconds)
        if decision.rate_factor != 1:
            model.optimizer.learning_rate = learning_rate(model) * decision.rate_factor
        self._writer.append_epoch(row)
        save_kept = partial(self._save_kept, model) if decision.is_kept else None
        save_checkpoint(self._path, model, self.policy.state, save_kept)
        figures = "  ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "epoch")
        logger.info("epoch %s: %s", row["epoch"], figures)
        self._tracking.log_epochs()
        self._finished = self.policy.is_finished(seconds)

    def _save_kept(self, model: keras.Model, path: Path) -> None:
        import keras

        with averaged(model):
            # Without its optimizer: a third of the size, and nothing but layers to load.
            keras.Model(model.inputs, model.outputs, name=self._config.model).save(path)


def learning_rate(model: keras.Model) -> float:
    """The rate of the next step; a variable of its own on every device in a mirrored run."""
    import tensorflow as tf

    return float(tf.convert_to_tensor(model.optimizer.learning_rate))
