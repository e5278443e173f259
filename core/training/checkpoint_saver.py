"""When the state of a run is stored: after every epoch, or from a copy by a thread, so that a GPU does not wait."""

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

# A GPU's epochs can be shorter than the time to write a checkpoint.
SAVE_INTERVAL = 30.0


class CheckpointSaver(Protocol):
    """Stores the state of a run's model after every epoch."""

    def store(self, state: TrainingState, *, is_kept: bool) -> None:
        """Store an epoch.

        Args:
            state: after the epoch.
            is_kept: whether its model is the run's best one so far.
        """
        ...

    def close(self) -> None:
        """Return when all that was stored is on disk; nothing can be stored any more."""
        ...


class ImmediateSaver:
    """Every epoch is on disk before the next one begins."""

    def __init__(self, run: Path, model: keras.Model, ema: EmaWeights) -> None:
        self._run = run
        self._model = model
        self._ema = ema

    def store(self, state: TrainingState, *, is_kept: bool) -> None:
        """Write an epoch; see `CheckpointSaver.store`."""
        save_kept = partial(_save_kept, self._model, self._ema) if is_kept else None
        save_checkpoint(self._run, self._model, state, save_kept)

    def close(self) -> None:
        """Nothing is left to write."""


@dataclass(frozen=True)
class _Copy:
    """The state after an epoch, in the host's memory: the values of `_variables`."""

    values: list[np.ndarray]
    state: TrainingState


class BackgroundSaver:
    """Copies the state after every epoch; a thread writes the newest copy every SAVE_INTERVAL, and the last one.

    The first epoch is on disk before the second begins: a run that has two epochs has a checkpoint.
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
            run: its directory.
            model: compiled, its optimizer built.
            precision: Keras's dtype policy, which holds for one thread.
            compile_model: compiles a model as this one was compiled.
            owns: whether the run is still ours to write.
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
            OSError: an earlier one could not be written.
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
        """Have the last copy written; see `CheckpointSaver.close`.

        Raises:
            OSError: it could not be written.
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
        except Exception as error:  # it belongs to the thread that trains
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _write_all(self) -> None:
        import keras
        import tensorflow as tf

        keras.config.set_dtype_policy(self._precision)
        with tf.device("CPU:0"):
            # Another model of the same layers holds a copy while it is written: the run's own goes on training.
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
    """What a checkpoint holds of a compiled model; random layers are seeded anew before every epoch."""
    return [*model.weights, *model.optimizer.variables]


def _load(model: keras.Model, copy: _Copy) -> None:
    for variable, value in zip(_variables(model), copy.values, strict=True):
        variable.assign(value)


def _save_kept(model: keras.Model, ema: EmaWeights, path: Path) -> None:
    """Write the model that is kept, with the averages of its weights where it has any.

    It is written without its optimizer: a third of the size, and nothing but layers to load.
    """
    import keras

    with ema.swapped_ema_weights():
        keras.Model(model.inputs, model.outputs, name=model.name).save(path)
