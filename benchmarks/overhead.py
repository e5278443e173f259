"""An epoch of our trainer against a bare `model.fit`: `python benchmarks/overhead.py DATA`.

Both train the same model on the same decoded arrays with the same pipeline and validation; ours writes its run
directory besides: status, history, best model, checkpoint. Epochs in turns would share caches unfairly, so that each
side trains whole runs, in turns, and the median epoch after the first of each is compared. About five minutes.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from core.config import TrainingConfig, resolve
from core.models.build import build_model, compile_model
from core.pipeline import evaluation_batches, training_stream
from core.run_writer import create_run
from core.runs import read_run
from core.trainer import train
from core.training_data import load_data

ROUNDS = 2
EPOCHS = 4


class _Clock(keras.callbacks.Callback):
    """Seconds of every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.seconds.append(time.perf_counter() - self._started)


def bare(config: TrainingConfig) -> list[float]:
    """Seconds of the epochs of a bare fit."""
    data = load_data(config, threading.Event())
    model = build_model(config, len(data.classes))
    steps = -(-len(data.train.values) // config.batch_size)
    compile_model(model, config, steps)
    clock = _Clock()
    model.fit(
        training_stream(data.train.values, data.targets(data.train), config),
        validation_data=evaluation_batches(
            data.validation.values, data.targets(data.validation), config.image_size, config.channels
        ),
        steps_per_epoch=steps,
        epochs=config.epochs,
        callbacks=[clock],
        verbose=0,
    )
    return clock.seconds[1:]


def ours(config: TrainingConfig, folder: Path) -> list[float]:
    """Seconds of the epochs of a run: from one line of the history to the next, writing included."""
    run = create_run(config, folder)
    assert train(config, run, threading.Event()) == "completed"
    return [row["seconds"] for row in read_run(run).history[1:]]


def main(root: Path) -> None:
    """Print both medians and their ratio."""
    config = resolve({"data": root, "model": "compact", "epochs": EPOCHS, "limit": 4000, "width": 0.5})
    seconds: dict[str, list[float]] = {"ours": [], "bare fit": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            seconds["bare fit"] += bare(config)
            keras.backend.clear_session()
            seconds["ours"] += ours(config, Path(folder))
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    for name, values in seconds.items():
        spread = f"median of {len(values)}; {min(values):.2f} to {max(values):.2f}"
        print(f"{name:9s} {medians[name]:7.2f} s an epoch ({spread})")
    print(f"ratio     {medians['ours'] / medians['bare fit']:7.3f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/overhead.py DATA    (such as ../shared/data, unpacked)")
    main(Path(sys.argv[1]))
