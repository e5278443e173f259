"""`--votes soft` trains on the shares of the votes: the loss is their cross-entropy, computed here in NumPy."""

from __future__ import annotations

import csv
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fer2013_files import CASES, write_ferplus
from trainings import FAST, train_new_run

from core.config.training_config import TrainingConfig, resolve
from core.data.training_data import TrainingData, class_weights, load_training_data
from core.evaluation.inference import predict
from core.runs.model_file import load_model
from core.runs.reader import RunSnapshot
from core.training.auto_settings import AutoSettings
from core.training.build import compile_model
from core.training.devices import Devices
from core.training.feed import training_feed
from core.training.plan import plan_epochs

# Weights that hardly change in an epoch, and images that stay the same.
STILL: dict[str, Any] = {"epochs": 1, "learning_rate": 1e-9, "dropout": 0.0, "augmentation": "none", "keep": "last"}
# No image has the label surprise, so that the model has no output for it.
LEFT_OUT = "surprise"


@pytest.fixture(scope="module")
def ferplus(tiny_model: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen training images, two of each case with a label, and the validation images."""
    return write_ferplus(tmp_path_factory.mktemp("data"), ("train", "train", "validation"))


def config_of(data: Path, **settings: Any) -> TrainingConfig:
    return resolve({**FAST, **STILL, "data": data, "votes": "soft", "batch_size": 6, "devices": "cpu", **settings})


def load(config: TrainingConfig) -> TrainingData:
    data = load_training_data(config, threading.Event())
    assert data is not None
    return data


def shares_by_hand(data: TrainingData) -> np.ndarray:
    """Return the shares of the cases' table for each training image, in the order of the model's outputs."""
    rows = []
    for path in data.train.frame["path"]:
        soft = CASES[(int(path.rpartition("#")[2]) - 2) % len(CASES)].soft
        assert isinstance(soft, dict)
        kept = {name: share for name, share in soft.items() if name != LEFT_OUT}
        rows.append([kept.get(name, 0.0) / sum(kept.values()) for name in data.classes])
    return np.array(rows)


@pytest.mark.parametrize("encoding", ["label", "frequency"])
def test_the_targets_are_the_shares_in_the_order_of_the_outputs(ferplus: Path, encoding: str):
    data = load(config_of(ferplus, encoding=encoding))
    assert len(data.train.values) == 18
    targets = data.targets(data.train)
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets, shares_by_hand(data), atol=1e-7)
    # Where two classes have the same share, the label's counts as the larger one in every order.
    labels = data.train.frame["label"].tolist()
    assert [data.classes[column] for column in targets.argmax(axis=1)] == labels
    # Validation has one class an image.
    assert set(data.validation_targets().ravel().tolist()) == {0.0, 1.0}


def test_the_majority_has_one_class_an_image(ferplus: Path):
    data = load(config_of(ferplus, votes="majority"))
    assert len(data.train.values) == 14
    targets = data.targets(data.train)
    assert np.array_equal(targets, data.encoding.transform(data.train.frame["label"].tolist()))


def train(config: TrainingConfig, folder: Path) -> tuple[RunSnapshot, TrainingData, np.ndarray]:
    """Train a run; return it with its data and the model's probabilities for the training images."""
    run = train_new_run(config, folder)
    assert run.state == "completed", run.message
    data = load(config)
    return run, data, predict(load_model(run.path), data.train.values)


@pytest.mark.parametrize(
    "settings",
    [{}, {"encoding": "frequency"}, {"label_smoothing": 0.2}, {"class_weights": "balanced"}, {"feed": "device"}],
    ids=["plain", "frequency", "smoothing", "weights", "device"],
)
def test_the_loss_of_a_training_is_the_cross_entropy_of_the_shares(
    ferplus: Path, tmp_path: Path, settings: dict[str, Any]
):
    run, data, probabilities = train(config_of(ferplus, **settings), tmp_path)
    shares = shares_by_hand(data)
    smoothing = settings.get("label_smoothing", 0.0)
    smooth = shares * (1 - smoothing) + smoothing / len(data.classes)
    losses = -(smooth * np.log(probabilities)).sum(axis=1)
    if "class_weights" in settings:
        counts = shares.sum(axis=0)
        losses *= shares @ (counts.sum() / (len(counts) * counts))
    [row] = run.history
    assert row["loss"] == pytest.approx(losses.mean(), rel=1e-4)
    one_hot = data.encoding.transform(data.train.frame["label"].tolist())
    hard = -(one_hot * np.log(probabilities)).sum(axis=1).mean()
    assert abs(row["loss"] - hard) > 1e-3
    labels = data.train.frame["label"].to_numpy()
    assert row["accuracy"] == pytest.approx(np.mean(np.array(data.classes)[probabilities.argmax(axis=1)] == labels))


def test_the_evaluation_and_the_predictions_have_one_class_an_image(ferplus: Path, tmp_path: Path):
    run, data, _ = train(config_of(ferplus), tmp_path)
    with (run.path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == data.validation.frame["label"].tolist()
    assert len(rows) == 7
    found = predict(load_model(run.path), data.validation.values)
    one_hot = data.encoding.transform([row["label"] for row in rows])
    [epoch] = run.history
    assert epoch["val_loss"] == pytest.approx(-(one_hot * np.log(found)).sum(axis=1).mean(), rel=1e-4)


def test_every_feed_has_the_shares(ferplus: Path):
    import tensorflow as tf

    config = config_of(ferplus, class_weights="balanced")
    data, used = load(config), Devices(("CPU:0",), "CPU")
    plan = plan_epochs(config, data, used)
    shares, weights = data.targets(data.train), class_weights("balanced", data.targets(data.train))
    assert weights is not None
    gpu: Any = SimpleNamespace(names=("CPU:0",), on_gpu=True)
    batches = []
    host, device = (AutoSettings("float32", feed, jit_compile=False) for feed in ("host", "device"))
    for machine, auto in ((used, host), (used, device), (gpu, device)):
        feed = training_feed(config, data, plan, machine, auto, epochs_done=0)
        feed.begin()
        batches.append([np.asarray(part) for part in feed.batch(tf.constant(0), *feed.take(1))])
    for images, targets, its_weights in batches:
        rows = [int(np.argmin(np.abs(data.train.values - image).sum(axis=(1, 2, 3)))) for image in images]
        np.testing.assert_array_equal(targets, shares[rows])
        np.testing.assert_allclose(its_weights, shares[rows] @ weights, rtol=1e-6)


@pytest.mark.parametrize(("votes", "precision", "recall"), [("soft", 0.5, 1 / 3), ("majority", 1.0, 0.4)])
def test_precision_and_recall_count_the_class_with_the_most_votes(
    ferplus: Path, votes: str, precision: float, recall: float
):
    import keras

    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    compile_model(model, config_of(ferplus, votes=votes), 1)
    shares = np.array([[0.6, 0.4, 0.0], [0.3, 0.7, 0.0], [0.0, 0.0, 1.0]])
    answers = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.4, 0.3, 0.3]])
    told: Any = model.test_on_batch(answers, shares, return_dict=True)
    # Two answers are above 0.5, of which one is right.
    assert (told["precision"], told["recall"]) == pytest.approx((precision, recall))


@pytest.mark.parametrize("settings", [{"protocol": "published"}, {"fold": "1/3"}, {"limit": 12}, {"control": "noise"}])
def test_votes_go_with_the_other_settings(ferplus: Path, settings: dict[str, Any]):
    config = config_of(ferplus, **settings)
    data = load(config)
    targets = data.targets(data.train)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    labels = data.train.frame["label"].tolist()
    assert [data.classes[column] for column in targets.argmax(axis=1)] == labels
    if "control" in settings:
        np.testing.assert_allclose(targets, shares_by_hand(data), atol=1e-7)
