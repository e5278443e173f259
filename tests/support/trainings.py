"""Small trainings on drawn faces, of a few seconds each."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from core.config.training_config import TrainingConfig
from core.runs.reader import RunSnapshot, read_run
from core.runs.writer import create_run
from core.training.trainer import train_run

# Tracing takes most of a short run's time, and model2 is traced in a quarter of compact's time.
FAST: dict[str, Any] = {
    "model": "model2",
    "width": 0.25,
    "image_size": 48,
    "channels": 1,
    "epochs": 2,
    "batch_size": 16,
}


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
