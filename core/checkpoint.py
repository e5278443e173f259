"""What a run needs to go on: weights, optimizer and the trainer's own state, after every epoch."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from core import files

if TYPE_CHECKING:
    import keras

FOLDER = "checkpoint"
WEIGHTS = "model.weights.h5"
STATE = "state.json"


@dataclass
class TrainingState:
    """What decides how a run goes on, besides its weights.

    Attributes:
        epoch: epochs done.
        best: the monitor's best value.
        best_epoch: the epoch of that value, counted from 1.
        wait: epochs since the monitor was better by min_delta, for early stopping.
        stopping_best: the value that early stopping compares with.
        plateau_wait: epochs without a better monitor since the last drop of the learning rate.
        seconds: time spent in epochs.
    """

    epoch: int = 0
    best: float | None = None
    best_epoch: int = 0
    wait: int = 0
    stopping_best: float | None = None
    plateau_wait: int = 0
    seconds: float = 0.0


def save_checkpoint(run: Path, model: keras.Model, state: TrainingState) -> None:
    """Write weights, optimizer and state; the checkpoint before stays as `checkpoint.previous`."""

    def fill(folder: Path) -> None:
        # By way of memory: the HDF5 library crashes the process that meets a full disk.
        content = _InMemory()
        model.save_weights(content)
        (folder / WEIGHTS).write_bytes(content.getbuffer())
        files.write_json(folder / STATE, {**asdict(state), "sha256": _hash(folder / WEIGHTS)})

    files.write_folder(run / FOLDER, fill)


class _InMemory(io.BytesIO):
    """A file in memory with a name, by which Keras knows the format."""

    def __str__(self) -> str:
        return WEIGHTS


def find_checkpoint(run: Path) -> tuple[Path, TrainingState] | None:
    """The newest whole checkpoint of a run: its weights and state; None where there is none.

    A checkpoint whose weights do not have the hash that its state tells is passed over for the one before.
    """
    for folder in (run / FOLDER, run / f"{FOLDER}.previous"):
        try:
            stored = json.loads((folder / STATE).read_text("utf-8"))
            if stored.pop("sha256") != _hash(folder / WEIGHTS):
                continue
            names = {field.name for field in fields(TrainingState)}
            return folder / WEIGHTS, TrainingState(**{k: v for k, v in stored.items() if k in names})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
