"""The frequency encoding only permutes a model's outputs, as two ordinary runs show."""

from __future__ import annotations

import csv
import threading
from pathlib import Path

import numpy as np
import pytest
from trainings import FAST

from core.config.training_config import resolve
from core.data.demo import write_faces
from core.runs.history import METRICS
from core.runs.reader import RunSnapshot, read_run
from core.runs.writer import create_run
from core.training.trainer import train_run


@pytest.fixture(scope="module")
def uneven_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw faces with 16 to 8 images per class in train, so that the two encodings order the classes differently."""
    folder = tmp_path_factory.mktemp("data") / "faces"
    write_faces(folder, per_class=20, seed=1)
    for position, name in enumerate(("surprise", "fear", "sad", "angry", "happy")):
        for image in sorted((folder / "train" / name).iterdir())[8 + position :]:
            image.unlink()
    return folder


@pytest.fixture(scope="module")
def two_runs(
    uneven_faces: Path, tiny_model: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunSnapshot, RunSnapshot]:
    """A label and a frequency run that differ in nothing else."""

    def trained(encoding: str) -> RunSnapshot:
        training = {"data": uneven_faces, "epochs": 3, "learning_rate": 2e-3, "devices": "cpu", "encoding": encoding}
        # What else depends on the order of the classes is put in order too.
        ordered = {"class_weights": "balanced", "output_bias": "prior", "l2": 1e-4}
        config = resolve({**FAST, **training, **ordered})
        run = create_run(config, tmp_path_factory.mktemp("runs"))
        assert train_run(config, run, threading.Event()) == "completed"
        return read_run(run)

    return trained("label"), trained("frequency")


def test_the_two_encodings_order_the_outputs_differently(two_runs: tuple[RunSnapshot, RunSnapshot]) -> None:
    label, frequency = (run.environment["classes"] for run in two_runs)
    assert label == sorted(label)
    assert frequency == ["surprise", "fear", "sad", "angry", "happy", "disgust", "neutral"]


def test_a_label_and_a_frequency_run_agree_epoch_by_epoch(two_runs: tuple[RunSnapshot, RunSnapshot]) -> None:
    label, frequency = two_runs
    assert len(label.history) == len(frequency.history) == 3
    for one, other in zip(label.history, frequency.history, strict=True):
        for metric in METRICS:
            for column in (metric, f"val_{metric}"):
                assert one[column] == pytest.approx(other[column], rel=1e-4, abs=1e-6), column
    losses = [row["loss"] for row in label.history]
    # The weights changed by far more than the tolerance above.
    assert max(losses) - min(losses) > 2e-3


def test_they_give_every_image_the_same_probabilities(two_runs: tuple[RunSnapshot, RunSnapshot]) -> None:
    def probabilities(run: RunSnapshot) -> np.ndarray:
        with (run.path / "predictions.csv").open() as file:
            rows = list(csv.DictReader(file))
        return np.array([[float(row[f"p_{name}"]) for name in sorted(run.environment["classes"])] for row in rows])

    one, other = (probabilities(run) for run in two_runs)
    assert one.std(axis=0).max() > 1e-3
    np.testing.assert_allclose(one, other, atol=1e-3)
