from __future__ import annotations

import threading
from pathlib import Path

import pytest

from core.config.training_config import resolve
from core.runs.reader import read_run
from core.runs.writer import create_run
from core.training.trainer import train_run


@pytest.fixture(scope="session")
def trained(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that trained for one epoch."""
    fast = {"model": "model2", "width": 0.1, "image_size": 48, "channels": 1, "epochs": 1, "batch_size": 16}
    config = resolve({"data": faces, **fast})
    run = create_run(config, tmp_path_factory.mktemp("trained") / "runs")
    train_run(config, run, threading.Event())
    assert read_run(run).state == "completed"
    return run
