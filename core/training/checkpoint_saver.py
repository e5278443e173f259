"""Savers of checkpoints: between epochs, or in a background thread so that a GPU does not wait for the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.runs.checkpoint import TrainingState, save_checkpoint
from core.training.ema import EmaWeights

if TYPE_CHECKING:
    import keras
    import numpy as np

# Seconds between checkpoints. An epoch on a GPU can take less time than writing a checkpoint.
SAVE_INTERVAL = 30.0


class CheckpointSaver(Protocol):
    """Stores the state of a run's model after every epoch."""

    def store(self, state: TrainingState, *, is_kept: bool) -> None:
        """Store an epoch.

        Args:
            state: the state after the epoch.
            is_kept: whether the run keeps the epoch's model.
        """
        ...

    def close(self) -> None:
        """Wait until everything stored is on disk; `store` can't be called afterwards."""
        ...


class ImmediateSaver:
    """Writes every epoch to disk before the next one begins."""

    def __init__(self, run: Path, model: keras.Model, ema: EmaWeights) -> None:
        self._run = run
        self._model = model
        self._ema = ema

    def store(self, state: TrainingState, *, is_kept: bool) -> None:
        """Write an epoch; see `CheckpointSaver.store`."""
        save_kept = partial(_save_kept, self._model, self._ema) if is_kept else None
        save_checkpoint(self._run, self._model, state, save_kept)

    def close(self) -> None:
        """Do nothing: every epoch is on disk."""


@dataclass(frozen=True)
class _Copy:
    """The state after an epoch, in the host's memory: the values of `_variables`."""

    values: list[np.ndarray]
    state: TrainingState


class BackgroundSaver:
    """Copies the state after every epoch; a thread writes the newest copy every SAVE_INTERVAL, and the last copy.

    The first epoch is on disk before the second begins, so that every run with two epochs has a checkpoint.
    """

    def __init__(
        self,
        run: Path,
        model: keras.Model,
        precision: str,
        compile_model: Callable[[keras.Model], None],
        owns: Callable[[], bool],
    ) -> None:
        """Start the thread.

        Args:
            run: the run's directory.
            model: a compiled model with a built optimizer.
            precision: Keras's dtype policy, which the thread must set for itself.
            compile_model: compiles a model with the same settings as `model`.
            owns: returns whether this process still owns the run.
        """
        self._run = run
        self._model = model
        self._precision = precision
        self._compile_model = compile_model
        self._owns = owns
        self._newest: _Copy | None = None
        self._kept: _Copy | None = None
        self._closing = False
        self._error: Exception | None = None
        self._has_written = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="checkpoints", daemon=True)
        self._thread.start()

    def store(self, state: TrainingState, *, is_kept: bool) -> None:
        """Copy an epoch; see `CheckpointSaver.store`.

        Raises:
            OSError: an earlier epoch could not be written.
        """
        copy = _Copy([variable.numpy() for variable in _variables(self._model)], replace(state))
        with self._changed:
            self._newest = copy
            if is_kept:
                self._kept = copy
            self._changed.notify_all()
            while not self._has_written and self._error is None:
                self._changed.wait()
        self._raise()

    def close(self) -> None:
        """Wait until the last copy is written; see `CheckpointSaver.close`.

        Raises:
            OSError: a copy could not be written.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            self._write_all()
        except Exception as error:  # `store` and `close` raise it in the training thread
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _write_all(self) -> None:
        import keras
        import tensorflow as tf

        keras.config.set_dtype_policy(self._precision)
        with tf.device("CPU:0"):
            # A clone of the model holds the copy while it is written, so that training continues in the meantime.
            twin = keras.models.clone_model(self._model)
            self._compile_model(twin)
            twin.optimizer.build(twin.trainable_variables)
            ema, due = EmaWeights(twin), time.monotonic()
            while True:
                with self._changed:
                    while not self._closing and (self._newest is None or time.monotonic() < due):
                        self._changed.wait(None if self._newest is None else max(due - time.monotonic(), 0.0))
                    newest, kept, self._newest, self._kept = self._newest, self._kept, None, None
                if newest is None:
                    return
                if self._owns():
                    self._write(twin, ema, newest, kept)
                due = time.monotonic() + SAVE_INTERVAL
                with self._changed:
                    self._has_written = True
                    self._changed.notify_all()

    def _write(self, twin: keras.Model, ema: EmaWeights, newest: _Copy, kept: _Copy | None) -> None:
        def save_kept(path: Path) -> None:
            assert kept is not None
            _load(twin, kept)
            _save_kept(twin, ema, path)

        _load(twin, newest)
        save_checkpoint(self._run, twin, newest.state, None if kept is None else save_kept)


def _variables(model: keras.Model) -> list[keras.Variable]:
    """Return the variables that a checkpoint stores. Random layers are seeded before every epoch."""
    return [*model.weights, *model.optimizer.variables]


def _load(model: keras.Model, copy: _Copy) -> None:
    for variable, value in zip(_variables(model), copy.values, strict=True):
        variable.assign(value)


def _save_kept(model: keras.Model, ema: EmaWeights, path: Path) -> None:
    """Write the kept model, with the moving averages of its weights if it has any.

    The file has no optimizer, which makes it a third of the size and loads only layers.
    """
    import keras

    with ema.swapped_ema_weights():
        keras.Model(model.inputs, model.outputs, name=model.name).save(path)
