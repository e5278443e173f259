"""Checkpoints, saved after every epoch: weights, optimizer, kept model and training state, to resume a run."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.runs.names import CHECKPOINT, KEPT, PREVIOUS_CHECKPOINT
from core.system import files

if TYPE_CHECKING:
    import keras

WEIGHTS = "model.weights.h5"
STATE = "state.json"


@dataclass
class TrainingState:
    """The state of a training run besides weights and optimizer.

    Attributes:
        epoch: the number of complete epochs.
        best: the best value of the monitor.
        best_epoch: the epoch of the best value, counted from 1.
        wait: epochs since the monitor last improved by min_delta, for early stopping.
        stopping_best: the value that early stopping compares with.
        plateau_wait: epochs without improvement since the learning rate was last reduced.
        seconds: the total duration of all epochs.
        base_rate: the config's learning rate when the optimizer's learning rate was set.
    """

    epoch: int = 0
    best: float | None = None
    best_epoch: int = 0
    wait: int = 0
    stopping_best: float | None = None
    plateau_wait: int = 0
    seconds: float = 0.0
    base_rate: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A complete and undamaged checkpoint of a run.

    Attributes:
        folder: the checkpoint's folder.
        state: the training state.
        kept: an undamaged file of the kept epoch's model at that time; None for old runs, which did not store it.
        is_older: whether this is the previous checkpoint, used because the latest one is damaged or missing.
    """

    folder: Path
    state: TrainingState
    kept: Path | None
    is_older: bool

    @property
    def weights(self) -> Path:
        """The file of the weights and the optimizer."""
        return self.folder / WEIGHTS


def save_checkpoint(
    run: Path, model: keras.Model, state: TrainingState, save_kept: Callable[[Path], None] | None
) -> None:
    """Save weights, optimizer, state and the kept model. The previous checkpoint is moved to `checkpoint.previous`.

    The checkpoint contains the kept model so that both always match, even if the process is killed. The run's
    `best.keras` is a copy of it.

    Args:
        run: the run directory.
        model: the compiled model.
        state: the training state after the latest epoch.
        save_kept: writes the latest epoch's model to a path; None if the kept model does not change.
    """

    def fill(folder: Path) -> None:
        # Save to memory first, because the HDF5 library crashes the process on a full disk.
        content = _InMemory()
        model.save_weights(content)
        (folder / WEIGHTS).write_bytes(content.getbuffer())
        if save_kept is not None:
            save_kept(folder / KEPT)
        else:
            # The last checkpoint's copy is preferred, because the run's own copy may have changed since.
            source = run / CHECKPOINT / KEPT
            files.link_or_copy(source if source.exists() else run / KEPT, folder / KEPT)
        hashes = {STATE: _hash_of(asdict(state)), **{name: _hash(folder / name) for name in (WEIGHTS, KEPT)}}
        files.write_json(folder / STATE, {**asdict(state), "sha256": hashes})

    files.write_folder(run / CHECKPOINT, fill)
    if save_kept is not None:
        restore_kept(run, run / CHECKPOINT / KEPT)


def restore_kept(run: Path, kept: Path) -> None:
    """Copy a checkpoint's kept model to the run's `best.keras`."""
    if kept != run / KEPT:
        with files.atomic_replace(run / KEPT) as temporary:
            shutil.copyfile(kept, temporary)


class _InMemory(io.BytesIO):
    """A file in memory with a name, from which Keras determines the format."""

    def __str__(self) -> str:
        return WEIGHTS


def find_checkpoint(run: Path) -> Checkpoint | None:
    """Return a run's newest undamaged checkpoint; None if it has none.

    If a file's hash is not the hash that `state.json` stores, the checkpoint is damaged and the previous one is used.
    """
    return _read(run, CHECKPOINT) or _read(run, PREVIOUS_CHECKPOINT)


def _read(run: Path, name: str) -> Checkpoint | None:
    """Read the checkpoint in a folder of the run; None if it is missing or damaged."""
    folder = run / name
    try:
        stored = json.loads(files.read_bytes(folder / STATE).decode())
        hashes = stored.pop("sha256")
        # Checkpoints from before November 2026 contain only the weights.
        hashes = hashes if isinstance(hashes, dict) else {WEIGHTS: hashes}
        if _hash(folder / WEIGHTS) != hashes[WEIGHTS] or hashes.get(STATE, _hash_of(stored)) != _hash_of(stored):
            return None
        kept = None
        if KEPT in hashes:
            # If the checkpoint's copy is damaged, use the run's copy when it has the same hash.
            kept = next(path for path in (folder / KEPT, run / KEPT) if path.exists() and _hash(path) == hashes[KEPT])
        names = {field.name for field in fields(TrainingState)}
        state = TrainingState(**{k: v for k, v in stored.items() if k in names})
        return Checkpoint(folder, state, kept, is_older=name == PREVIOUS_CHECKPOINT)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, StopIteration):
        return None


def _hash_of(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(files.replace_non_finite(dict(values)), sort_keys=True).encode()).hexdigest()


def _hash(path: Path) -> str:
    with files.open_to_read(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
