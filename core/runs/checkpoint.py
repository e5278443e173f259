"""What a run needs to go on: weights, optimizer, kept model and the trainer's own state, after every epoch."""

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
    """What decides how a run goes on, besides its weights.

    Attributes:
        epoch: epochs done.
        best: the monitor's best value.
        best_epoch: the epoch of that value, counted from 1.
        wait: epochs since the monitor was better by min_delta, for early stopping.
        stopping_best: the value that early stopping compares with.
        plateau_wait: epochs without a better monitor since the last drop of the learning rate.
        seconds: time spent in epochs.
        base_rate: the config's learning rate that the optimizer's own came from.
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
    """A whole checkpoint of a run.

    Attributes:
        folder: where it lies.
        state: the trainer's.
        kept: a whole file of the kept epoch's model as it was then; None where the run is older than such.
        is_older: whether it is the one before the last, which is damaged.
    """

    folder: Path
    state: TrainingState
    kept: Path | None
    is_older: bool

    @property
    def weights(self) -> Path:
        """Weights and optimizer."""
        return self.folder / WEIGHTS


def save_checkpoint(
    run: Path, model: keras.Model, state: TrainingState, save_kept: Callable[[Path], None] | None
) -> None:
    """Write weights, optimizer, state and the kept epoch's model; the checkpoint before stays as `checkpoint.previous`.

    The kept model is in the checkpoint so that both are of the same moment, whenever the process ends; the run's own
    `best.keras` is a copy of it.

    Args:
        run: its directory.
        model: compiled.
        state: after its last epoch.
        save_kept: writes the model of that epoch to a path; None where the kept one stays as it is.
    """

    def fill(folder: Path) -> None:
        # By way of memory: the HDF5 library crashes the process that meets a full disk.
        content = _InMemory()
        model.save_weights(content)
        (folder / WEIGHTS).write_bytes(content.getbuffer())
        if save_kept is not None:
            save_kept(folder / KEPT)
        else:
            # As the last checkpoint has it, whatever has become of the run's own since.
            source = run / CHECKPOINT / KEPT
            files.link_or_copy(source if source.exists() else run / KEPT, folder / KEPT)
        hashes = {STATE: _hash_of(asdict(state)), **{name: _hash(folder / name) for name in (WEIGHTS, KEPT)}}
        files.write_json(folder / STATE, {**asdict(state), "sha256": hashes})

    files.write_folder(run / CHECKPOINT, fill)
    if save_kept is not None:
        restore_kept(run, run / CHECKPOINT / KEPT)


def restore_kept(run: Path, kept: Path) -> None:
    """Make a checkpoint's kept model the run's `best.keras`."""
    if kept != run / KEPT:
        with files.atomic_replace(run / KEPT) as temporary:
            shutil.copyfile(kept, temporary)


class _InMemory(io.BytesIO):
    """A file in memory with a name, by which Keras knows the format."""

    def __str__(self) -> str:
        return WEIGHTS


def find_checkpoint(run: Path) -> Checkpoint | None:
    """The newest whole checkpoint of a run; None where there is none.

    One whose files do not have the hashes that its state tells is passed over for the one before.
    """
    return _read(run, CHECKPOINT) or _read(run, PREVIOUS_CHECKPOINT)


def _read(run: Path, name: str) -> Checkpoint | None:
    """The checkpoint of that name; None for a missing or damaged one."""
    folder = run / name
    try:
        stored = json.loads(files.read_bytes(folder / STATE).decode())
        hashes = stored.pop("sha256")
        # In runs of before November 2026 the weights are all that is in it.
        hashes = hashes if isinstance(hashes, dict) else {WEIGHTS: hashes}
        if _hash(folder / WEIGHTS) != hashes[WEIGHTS] or hashes.get(STATE, _hash_of(stored)) != _hash_of(stored):
            return None
        kept = None
        if KEPT in hashes:
            # The run's own copy stands in for a damaged one, where it is of the same epoch.
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
