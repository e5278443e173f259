"""Small trainings on drawn faces: a second or two each, most of it to trace the network."""

from __future__ import annotations

import contextlib
import gc
import importlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.config.training_config import TrainingConfig
from core.models.body_options import BodyOptions
from core.models.registry import MODELS, ModelSpec
from core.runs.reader import RunSnapshot, read_run
from core.runs.writer import create_run
from core.training.trainer import train_run

# One convolution, dropout and the last layer: half the time to trace that model2 takes, an eighth of compact's.
TINY = ModelSpec(
    name="tiny",
    title="The tests' own",
    builder="trainings:tiny_body",
    image_size=48,
    channels=1,
    parameters=4_079,
    macs=9_000,
    source="tests",
)
FAST: dict[str, Any] = {"model": "tiny", "epochs": 2, "batch_size": 16}


def tiny_body(x: Any, options: BodyOptions) -> Any:
    """Conv 4 (3x3, step 4, relu), Flatten, Dropout 0.5."""
    from keras import layers

    x = layers.Conv2D(4, 3, strides=4, activation="relu", kernel_regularizer=options.regularizer())(x)
    x = layers.Flatten()(x)
    return layers.Dropout(0.5 if options.dropout is None else options.dropout)(x)


@contextlib.contextmanager
def with_tiny_model() -> Iterator[None]:
    """Have the model `tiny` in the registry, and TensorFlow imported and out of the garbage collector's way."""
    importlib.import_module("keras")
    gc.collect()
    gc.freeze()
    MODELS[TINY.name] = TINY
    yield
    del MODELS[TINY.name]
    gc.unfreeze()


def train_new_run(config: TrainingConfig, folder: Path, stop: threading.Event | None = None) -> RunSnapshot:
    """Train a run and return its final snapshot."""
    return resume_run(create_run(config, folder), config, stop)


def resume_run(run: Path, config: TrainingConfig, stop: threading.Event | None = None) -> RunSnapshot:
    """Resume a run and return its final snapshot."""
    train_run(config, run, stop or threading.Event())
    return read_run(run)


class StopAfter(threading.Event):
    """An event that is set in the middle of an epoch, after a number of finished epochs."""

    def __init__(self, run: Path, epochs: int) -> None:
        super().__init__()
        self._run, self._epochs = run, epochs

    def is_set(self) -> bool:
        return len(read_run(self._run).history) >= self._epochs


def history_values(run: RunSnapshot, name: str = "loss") -> list[float]:
    """Return a metric of every epoch."""
    return [row[name] for row in run.history]
