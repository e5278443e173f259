"""An uninterrupted reference run, and checks of interrupted runs, at every moment and at their end."""

from __future__ import annotations

import csv
import hashlib
import io
import threading
import zipfile
from pathlib import Path
from typing import Any

import h5py
from nursery import Nursery

from core.config.training_config import TrainingConfig, resolve
from core.data.demo import write_faces
from core.runs.checkpoint import find_checkpoint
from core.runs.reader import read_run
from core.runs.writer import create_run

# Settings with all kinds of state: shuffling, augmentation, dropout, EMA, best epoch and the plateau schedule.
SETTINGS: dict[str, Any] = {
    "model": "model2",
    "width": 0.1,
    "image_size": 32,
    "channels": 1,
    "batch_size": 8,
    "epochs": 5,
    "augmentation": "extended",
    "dropout": 0.3,
    "ema": 0.9,
    "schedule": "plateau",
    "patience": 4,
    "monitor": "val_accuracy",
    "class_weights": "sqrt_balanced",
    "deterministic": True,
}
PER_CLASS = 10
TIMES = ("seconds", "images_per_second")


class ReferenceRun:
    """The uninterrupted run that other runs are compared with, and the data of all runs."""

    def __init__(self, place: Path, nursery: Nursery, **settings: Any) -> None:
        """Train the reference run below `place`; `settings` override SETTINGS."""
        self.place = place
        write_faces(place / "faces", per_class=PER_CLASS, seed=0)
        self.config: TrainingConfig = resolve({**SETTINGS, "data": place / "faces", **settings})
        self.run = self.new_run()
        self.steps = nursery.finish(self.run)
        state = read_run(self.run)
        assert state.state == "completed", state.message
        self.expected = outcome(self.run)

    def new_run(self) -> Path:
        """Create another run with the same settings."""
        return create_run(self.config, self.place / "runs")

    def check(self, run: Path) -> None:
        """Compare a completed run with the reference run.

        Raises:
            AssertionError: the results differ.
        """
        snapshot = read_run(run)
        assert snapshot.state == "completed", f"{run}: {snapshot.state}: {snapshot.message}"
        said = outcome(run)
        for name, value in self.expected.items():
            assert said[name] == value, f"{run}: {name} differs from the uninterrupted run"


def outcome(run: Path) -> dict[str, Any]:
    """Return a run's results without times: weights, kept model, history, predictions and evaluation."""
    snapshot = read_run(run)
    history = [{name: figure for name, figure in row.items() if name not in TIMES} for row in snapshot.history]
    evaluation = {name: value for name, value in (snapshot.evaluation or {}).items() if name != "seconds"}
    with zipfile.ZipFile(run / "best.keras") as archive:
        kept = io.BytesIO(archive.read("model.weights.h5"))
    return {
        "weights": arrays(run / "checkpoint" / "model.weights.h5"),
        "kept model": arrays(kept),
        "history": repr(history),
        "predictions": (run / "predictions.csv").read_bytes(),
        "evaluation": evaluation,
    }


def arrays(file: Path | io.BytesIO) -> str:
    """Return a hash of the arrays of an HDF5 file. The file's bytes also contain the time of writing."""
    found = hashlib.sha256()

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.update(f"{name} {item.dtype} {item.shape}".encode())
            found.update(item[()].tobytes())

    with h5py.File(file, "r") as content:
        content.visititems(add)
    return found.hexdigest()


class RunDirectoryChecker:
    """Reads a run directory repeatedly while other processes write it; a context manager."""

    def __init__(self, run: Path, config: TrainingConfig, *, as_gpu: bool = False) -> None:
        """`as_gpu`: whether a thread writes the checkpoints, so that a kill can lose several epochs."""
        self._as_gpu = as_gpu
        self._stored = 0
        self._run = run
        self._config = config.model_dump(mode="json")
        self._had_checkpoint = False
        self._epochs = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self.check_count = 0
        self.faults: list[str] = []

    def __enter__(self) -> RunDirectoryChecker:
        self._thread.start()
        return self

    def __exit__(self, *told: object) -> None:
        self._ended.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._ended.wait(0.002):
            try:
                self.check_once()
            except AssertionError as error:
                self.faults.append(str(error))
                return
            except Exception as error:
                self.faults.append(f"{type(error).__name__}: {error}")
                return

    def check_once(self) -> None:
        """Check the run directory once.

        Raises:
            AssertionError: a file is missing, incomplete or inconsistent.
        """
        self.check_count += 1
        evaluation = self._run / "evaluation.json"
        was_evaluated = evaluation.exists()
        snapshot = read_run(self._run)
        assert snapshot.config == self._config, "config.json is incomplete"
        assert snapshot.status.get("state"), "status.json is incomplete"
        epochs = [row["epoch"] for row in snapshot.history]
        assert epochs == list(range(1, len(epochs) + 1)), f"history.csv has the epochs {epochs}"
        least = self._stored if self._as_gpu else self._epochs - 1
        assert len(epochs) >= least, f"only {len(epochs)} of {self._epochs} epochs are left"
        self._epochs = len(epochs)
        # Try twice, because the folder may be renamed between reading its state and reading its weights.
        found = find_checkpoint(self._run) or find_checkpoint(self._run)
        assert found or not self._had_checkpoint, "there is no complete checkpoint any more"
        self._had_checkpoint = found is not None
        self._stored = found.state.epoch if found else 0
        kept = self._run / "best.keras"
        if kept.exists():
            with zipfile.ZipFile(io.BytesIO(kept.read_bytes())) as archive:
                assert archive.testzip() is None, "best.keras is damaged"
        predictions = self._run / "predictions.csv"
        if predictions.exists():
            rows = list(csv.reader(predictions.read_text().splitlines()))
            assert len({len(row) for row in rows}) == 1, "predictions.csv is incomplete"
        # The file may appear, or disappear when the run resumes, between the check and the reading.
        if was_evaluated and evaluation.exists():
            assert snapshot.evaluation and "confusion_matrix" in snapshot.evaluation, "evaluation.json is incomplete"
