"""Writes a complete run directory without training."""

from __future__ import annotations

import json
import threading
from io import BytesIO
from pathlib import Path

from core.config.training_config import resolve
from core.runs.checkpoint import TrainingState, save_checkpoint
from core.runs.history import HISTORY_COLUMNS
from core.runs.schema import EnvironmentFile
from core.runs.writer import RunWriter, create_run

NAMES = (
    *("config.json", "environment.json", "status.json", "history.csv", "best.keras", "predictions.csv"),
    *("evaluation.json", "log.txt", "lock", "stop", "checkpoint.new"),
    *(f"{folder}/{name}" for folder in ("checkpoint", "checkpoint.previous") for name in ("state.json", "best.keras")),
    *("checkpoint/model.weights.h5", "checkpoint.previous/model.weights.h5"),
)


class _Weights:
    def save_weights(self, file: BytesIO) -> None:
        file.write(b"weights" * 50)


def save(run: Path, epoch: int) -> None:
    """Write an epoch's checkpoint and kept model."""

    def save_kept(path: Path) -> None:
        path.write_bytes(b"kept" * 50)

    save_checkpoint(run, _Weights(), TrainingState(epoch), save_kept)


def write_whole_run(place: Path) -> Path:
    """Write a complete run below `place`, with fake model weights."""
    run = create_run(resolve({"data": place / "faces", "model": "compact", "epochs": 3}), place / "whole")
    environment: EnvironmentFile = {
        "classes": ["happy", "sad"],
        "counts": {"train": {"happy": 2, "sad": 2}, "validation": {"happy": 1, "sad": 1}},
        "fingerprint": "0123",
        "parameters": 12,
        "problems": [{"kind": "blank", "message": "one is blank", "paths": ["a"]}],
        "warnings": [{"code": "nan", "message": "a figure"}],
    }
    evaluation = {
        "accuracy": 0.5,
        "balanced_accuracy": 0.5,
        "macro_f1": 0.5,
        "classes": ["happy", "sad"],
        "confusion_matrix": [[1, 0], [1, 0]],
        "per_class": {name: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 1} for name in ("happy", "sad")},
        "images": 2,
        "val_images": 2,
        "epoch": 2,
        "warnings": [],
    }
    with RunWriter(run, threading.Event()) as writer:
        writer.write_environment(environment)
        for epoch in (1, 2, 3):
            writer.append_epoch({**dict.fromkeys(HISTORY_COLUMNS, 0.5), "epoch": epoch})
            save(run, epoch)
        writer.update(state="completed")
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    rows = ["path,label,predicted,p_happy,p_sad", "a.png,happy,happy,0.9,0.1", "b.png,sad,happy,0.8,0.2"]
    (run / "predictions.csv").write_text("\n".join(rows) + "\n")
    (run / "log.txt").write_text("a line\n")
    return run
