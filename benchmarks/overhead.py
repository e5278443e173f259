"""Compare an epoch of fer-tui's trainer with Keras's `model.fit` alone: `python benchmarks/overhead.py DATA`.

Both train the same model on the same decoded arrays with the same pipeline and validation. fer-tui uses its own
training loop, and also writes its run directory: status, history, best model and checkpoint. The two train whole runs
in turns. The time from the end of one epoch to the end of the next is measured in seconds and in CPU seconds. CPU
seconds are also reliable on a busy machine. It takes about eleven CPU minutes.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from core.config.training_config import TrainingConfig, resolve
from core.data.pipeline import evaluation_batches, training_stream
from core.data.training_data import load_training_data
from core.runs.writer import RunWriter, create_run
from core.training.build import build_model, compile_model
from core.training.trainer import train

ROUNDS = 1
EPOCHS = 3


@dataclass(frozen=True)
class Moment:
    """The end of an epoch: wall-clock seconds, and CPU seconds of all threads of this process."""

    wall: float
    cpu: float


def now() -> Moment:
    """Return the current moment."""
    return Moment(time.perf_counter(), time.process_time())


def bare(config: TrainingConfig) -> list[Moment]:
    """Train with `model.fit` alone and return the ends of the epochs."""
    data = load_training_data(config, threading.Event())
    assert data is not None
    keras.utils.set_random_seed(config.seed)
    model = build_model(config, len(data.classes))
    steps = -(-len(data.train.values) // config.batch_size)
    compile_model(model, config, steps)
    ends: list[Moment] = []
    model.fit(
        training_stream(data.train.values, data.targets(data.train), config),
        validation_data=evaluation_batches(
            data.validation.values, data.targets(data.validation), config.image_size, config.channels
        ),
        steps_per_epoch=steps,
        epochs=config.epochs,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(now()))],
        shuffle=False,
        verbose=0,
    )
    return ends


def ours(config: TrainingConfig, folder: Path) -> list[Moment]:
    """Train a run of fer-tui and return the ends of the epochs."""
    ends: list[Moment] = []
    append = RunWriter.append_epoch

    def append_and_note(writer: RunWriter, row: Mapping[str, float]) -> None:
        append(writer, row)
        ends.append(now())

    with mock.patch.object(RunWriter, "append_epoch", append_and_note):
        assert train(config, create_run(config, folder), threading.Event()) == "completed"
    return ends


def main(root: Path) -> None:
    """Print the median epoch of both sides and the ratios."""
    config = resolve({"data": root, "model": "compact", "epochs": EPOCHS, "limit": 8000})
    epochs: dict[str, list[Moment]] = {"bare fit": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for side, ends in (("bare fit", bare(config)), ("ours", ours(config, Path(folder)))):
                epochs[side] += [Moment(b.wall - a.wall, b.cpu - a.cpu) for a, b in pairwise(ends)]
    print(f"compact on 8,000 images; median of {len(epochs['ours'])} epochs per side")
    wall = {side: float(np.median([epoch.wall for epoch in found])) for side, found in epochs.items()}
    cpu = {side: float(np.median([epoch.cpu for epoch in found])) for side, found in epochs.items()}
    print("          seconds per epoch   CPU seconds")
    for side in epochs:
        print(f"{side:9s} {wall[side]:18.2f} {cpu[side]:13.2f}")
    print(f"ratio     {wall['ours'] / wall['bare fit']:18.3f} {cpu['ours'] / cpu['bare fit']:13.3f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/overhead.py DATA    (such as ../shared/data, unpacked)")
    main(Path(sys.argv[1]))
