"""Real trainings on drawn faces, checked only through their run directories."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from trainings import FAST, train_new_run

from core.config.training_config import TrainingConfig, resolve
from core.data.demo import write_faces
from core.data.readers.reader_factory import read_dataset
from core.data.training_data import class_weights, load_training_data
from core.evaluation.inference import evaluate_run, predict
from core.runs.history import HISTORY_COLUMNS
from core.runs.model_file import load_model
from core.runs.reader import RunSnapshot, read_run
from core.runs.writer import create_run
from core.training import devices
from core.training.trainer import train_run


@pytest.fixture(scope="module")
def completed(faces: Path, tiny_model: None, tmp_path_factory: pytest.TempPathFactory) -> RunSnapshot:
    config = resolve({**FAST, "data": faces, "epochs": 3})
    return train_new_run(config, tmp_path_factory.mktemp("runs"))


def test_a_run_directory_has_all_its_files(completed: RunSnapshot) -> None:
    assert completed.state == "completed"
    files = {path.name for path in completed.path.iterdir()}
    wanted = {"config.json", "environment.json", "status.json", "history.csv", "best.keras", "checkpoint"}
    assert wanted | {"predictions.csv", "evaluation.json", "log.txt"} <= files
    assert not [name for name in files if name in ("lock", "stop") or name.startswith(".")]


def test_history_has_a_row_an_epoch(completed: RunSnapshot) -> None:
    with (completed.path / "history.csv").open() as file:
        assert tuple(next(csv.reader(file))) == HISTORY_COLUMNS
    assert [row["epoch"] for row in completed.history] == [1, 2, 3]
    for row in completed.history:
        assert all(np.isfinite(value) for value in row.values())
        assert row["seconds"] > 0
        assert row["images_per_second"] > 0


def test_the_evaluation_tells_what_was_seen_in_training(faces: Path, tiny_model: None, tmp_path: Path) -> None:
    # Three validation images become copies of trained ones, in files of other bytes.
    data = tmp_path / "faces"
    shutil.copytree(faces, data)
    copies = sorted((data / "validation").rglob("*.png"))[:3]
    for copy, source in zip(copies, sorted((data / "train").rglob("*.png")), strict=False):
        Image.open(source).save(copy, compress_level=1)
        assert copy.read_bytes() != source.read_bytes()
    run = train_new_run(resolve({**FAST, "data": data, "epochs": 1}), tmp_path / "runs")
    assert run.evaluation is not None
    assert (run.evaluation["leaked_images"], run.evaluation["images"]) == (3, 14)
    with (run.path / "predictions.csv").open() as file:
        unseen = [row for row in csv.DictReader(file) if data / row["path"] not in copies]
    is_right = [row["predicted"] == row["label"] for row in unseen]
    assert run.evaluation["leak_free_accuracy"] == pytest.approx(np.mean(is_right))
    low, high = run.evaluation["intervals"]["accuracy"]
    assert low <= (run.evaluation["accuracy"] or 0.0) <= high


def test_config_and_environment_are_whole(completed: RunSnapshot, faces: Path) -> None:
    stored = json.loads((completed.path / "config.json").read_text())
    assert set(stored) == set(TrainingConfig.model_fields)
    told = completed.environment
    assert told["data"] == str(faces.resolve())
    assert told["classes"] == sorted(told["classes"])
    assert told["counts"]["train"]["happy"] == 8
    assert told["train_images"] == 56
    assert told["validation_images"] == 14
    assert len(told["fingerprint"]) == 64
    assert told["versions"]["tensorflow"]


def test_evaluation_agrees_with_the_predictions_and_the_kept_epoch(completed: RunSnapshot) -> None:
    with (completed.path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    evaluation, kept = completed.evaluation, completed.kept_epoch()
    assert evaluation is not None
    assert kept is not None
    classes = completed.environment["classes"]
    assert list(rows[0]) == ["path", "label", "predicted", *(f"p_{name}" for name in classes)]
    assert len(rows) == evaluation["images"] == 14
    accuracy = np.mean([row["label"] == row["predicted"] for row in rows])
    assert accuracy == pytest.approx(evaluation["accuracy"])
    assert evaluation["accuracy"] == pytest.approx(kept["val_accuracy"])
    assert evaluation["loss"] == pytest.approx(kept["val_loss"], rel=1e-3)
    for row in rows:
        shares = {name: float(row[f"p_{name}"]) for name in classes}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
        assert max(shares, key=lambda name: shares[name]) == row["predicted"]


def test_the_time_budget_ends_a_run_as_completed(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    run = train_new_run(settings(epochs=9, time_budget="0.01s", patience=None), tmp_path)
    assert run.state == "completed"
    assert len(run.history) == 1
    assert "time budget" in run.message


def test_plateau_lowers_the_rate(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    run = train_new_run(
        settings(epochs=6, schedule="plateau", learning_rate=0.01, min_delta=100.0, patience=None), tmp_path
    )
    rates = [row["learning_rate"] for row in run.history]
    assert rates[-1] == pytest.approx(rates[0] / 5)


def test_an_error_is_told_in_a_line_and_its_traceback_in_the_log(
    settings: Callable[..., TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("as a test")

    monkeypatch.setattr("core.training.trainer.build_model", broken)
    run = train_new_run(settings(), tmp_path)
    assert run.state == "failed"
    assert "ZeroDivisionError: as a test" in run.message
    assert "Traceback" in (run.path / "log.txt").read_text()


def test_published_protocol_validates_on_a_part(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    run = train_new_run(settings(protocol="published", batch_size=4, epochs=1), tmp_path)
    assert run.state == "completed"
    assert run.evaluation is not None
    assert run.evaluation["images"] == 14
    assert run.evaluation["val_images"] == 12
    assert sum(run.evaluation["val_counts"].values()) == 12
    assert "partial_validation" in {warning["code"] for warning in run.warnings}
    # The warning is known before the first epoch and lacks later results.
    [early] = run.environment["warnings"]
    assert early["code"] == "partial_validation"
    assert "12 of the split's 14 images; the evaluation covers all" in early["message"]


def test_published_refits_its_frequency_encoding_on_validation(tiny_model: None, tmp_path: Path) -> None:
    # More happy than sad in train, more sad than happy in validation: each is the other's output.
    root = tmp_path / "faces"
    write_faces(root, per_class=10, seed=2)
    for name in ("train/sad", "validation/happy"):
        sorted((root / name).iterdir())[0].unlink()
    fast = {**FAST, "data": root, "epochs": 1, "protocol": "published", "encoding": "frequency"}
    data = load_training_data(resolve(fast), threading.Event())
    assert data is not None
    assert data.classes[0] == "sad"
    assert data.validation_classes[0] == "happy"
    assert data.validation_targets().sum(axis=0).tolist() == [1, 2, 2, 2, 2, 2, 2]
    sound = load_training_data(resolve({**fast, "protocol": "sound"}), threading.Event())
    assert sound is not None
    assert sound.validation_classes == sound.classes
    np.testing.assert_array_equal(sound.validation_targets(), sound.targets(sound.validation))
    codes = [warning["code"] for warning in train_new_run(resolve(fast), tmp_path / "runs").warnings]
    assert "encoding_differs" in codes


def test_a_control_trains_on_noise_with_the_same_labels(
    settings: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    real, control, again, other = (
        load_training_data(settings(**changed), threading.Event())
        for changed in ({}, {"control": "noise"}, {"control": "noise"}, {"control": "noise", "seed": 24})
    )
    assert real is not None
    assert control is not None
    assert again is not None
    assert other is not None
    for split in ("train", "validation"):
        images, noise = getattr(real, split), getattr(control, split)
        assert images.frame.equals(noise.frame)
        assert noise.values.dtype == np.uint8
        assert noise.values.shape == images.values.shape
        assert len(np.unique(noise.values, axis=0)) == len(noise.values)
        assert abs(noise.values.mean() - 127.5) < 2
        np.testing.assert_array_equal(noise.values, getattr(again, split).values)
        assert (noise.values != getattr(other, split).values).mean() > 0.9
    assert real.fingerprint == control.fingerprint
    run = train_new_run(settings(control="noise", epochs=1), tmp_path)
    assert (run.state, run.config["control"]) == ("completed", "noise")


def test_noise_is_a_function_of_the_image_and_not_of_its_place(settings: Callable[..., TrainingConfig]) -> None:
    sound, listed = (
        load_training_data(settings(control="noise", protocol=protocol), threading.Event())
        for protocol in ("sound", "published")
    )
    assert sound is not None
    assert listed is not None
    assert sound.train.frame["path"].tolist() != listed.train.frame["path"].tolist()
    place = {path: row for row, path in enumerate(sound.train.frame["path"])}
    rows = [place[path] for path in listed.train.frame["path"]]
    np.testing.assert_array_equal(sound.train.values[rows], listed.train.values)


def test_a_run_stops_when_two_epochs_are_the_same(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    # Without dropout, augmentation and a rate that changes anything, every epoch is the same.
    same = {"dropout": 0.0, "augmentation": "none", "learning_rate": 1e-30, "schedule": "constant"}
    run = train_new_run(settings(epochs=9, patience=1, monitor="accuracy", **same), tmp_path)
    for monitor in ("accuracy", "val_precision"):
        assert run.history[0][monitor] == run.history[1][monitor]
    assert (len(run.history), run.message) == (2, "ended after 2 of 9 epochs: accuracy stopped improving")


def test_a_stop_while_the_images_are_read_is_a_stop(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    run = train_new_run(settings(), tmp_path, stop)
    assert (run.state, run.message) == ("stopped", "stopped before the first epoch")


def test_a_stop_just_before_tensorflow_loads_is_a_stop(
    settings: Callable[..., TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()

    @contextlib.contextmanager
    def signal_arrives() -> Iterator[None]:
        stop.set()
        yield

    def hang(config: TrainingConfig) -> None:
        raise AssertionError("TensorFlow is loaded, which may hang")

    monkeypatch.setattr(devices, "prepare", hang)
    config = settings()
    run = create_run(config, tmp_path)
    assert train_run(config, run, stop, while_loading=signal_arrives) == "stopped"
    assert read_run(run).message == "stopped before the first epoch"


def test_published_listing_is_by_class(settings: Callable[..., TrainingConfig]) -> None:
    data = load_training_data(settings(protocol="published"), threading.Event())
    assert data is not None
    assert list(dict.fromkeys(data.train.frame["label"])) == [
        "neutral", "surprise", "sad", "happy", "angry", "disgust", "fear",
    ]  # fmt: skip
    assert data.validation.frame["label"].iloc[0] == "happy"


def test_frequency_encoding_orders_the_outputs(settings: Callable[..., TrainingConfig]) -> None:
    data = load_training_data(settings(encoding="frequency", limit=20), threading.Event())
    assert data is not None
    counts = data.train.frame["label"].value_counts()
    assert [counts[name] for name in data.classes] == sorted(counts)


def test_class_weights_by_hand() -> None:
    targets = np.eye(3, dtype=np.float32)[[0] * 6 + [1] * 3 + [2]]
    assert class_weights("none", targets) is None
    np.testing.assert_allclose(class_weights("balanced", targets), [10 / 18, 10 / 9, 10 / 3], rtol=1e-6)  # type: ignore[arg-type]
    root = [(10 / 18) ** 0.5, (10 / 9) ** 0.5, (10 / 3) ** 0.5]
    np.testing.assert_allclose(class_weights("sqrt_balanced", targets), root, rtol=1e-6)  # type: ignore[arg-type]
    np.testing.assert_allclose(class_weights("max_over_count", targets), [1, 2, 6])  # type: ignore[arg-type]


def test_nothing_traced_is_left_behind(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    from tensorflow.python.framework import ops

    def entries() -> int:
        return sum(name.startswith("CustomGradient-") for name in ops.gradient_registry._registry)

    before = entries()
    train_new_run(settings(epochs=1), tmp_path)
    assert entries() == before
    # Check that Keras still leaves entries, because otherwise this test would prove nothing.
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    assert entries() > before


def test_mixed_precision_on_the_cpu(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    run = train_new_run(settings(precision="mixed_bfloat16", epochs=1), tmp_path)
    assert run.state == "completed"
    assert run.environment["precision"] == "mixed_bfloat16"
    assert run.evaluation is not None
    assert run.evaluation["loss"] is not None and np.isfinite(run.evaluation["loss"])


def test_flips_are_averaged_where_they_are_asked_for(settings: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    config = settings(epochs=1, flip_average=True)
    run = train_new_run(config, tmp_path)
    pixels = load_training_data(config, threading.Event()).validation.values  # type: ignore[union-attr]
    model = load_model(run.path)
    once, mirrored = predict(model, pixels), predict(model, pixels[:, :, ::-1])
    assert np.abs(once - mirrored).max() > 1e-3
    np.testing.assert_allclose(predict(model, pixels, flip_average=True), (once + mirrored) / 2, rtol=1e-5)
    # The run's evaluation averages flips, and later evaluations do so by default.
    assert run.evaluation is not None
    dataset = read_dataset(config.data)
    again, told = (evaluate_run(run.path, dataset, "validation", wanted)[0]["loss"] for wanted in (None, False))
    assert again == pytest.approx(run.evaluation["loss"], rel=1e-5)
    assert told != pytest.approx(again, rel=1e-5)
