"""EMA weights are used for validation and in the kept model, and survive a stop; the trained weights are unchanged."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from trainings import FAST, train_new_run

from core.config.training_config import TrainingConfig, resolve
from core.data.demo import write_faces
from core.runs.reader import RunSnapshot, read_run
from core.runs.writer import create_run
from core.training.build import build_model, compile_model
from core.training.ema import EmaWeights
from core.training.trainer import train_run


@pytest.fixture(scope="module")
def config(tiny_model: None, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    faces = tmp_path_factory.mktemp("data") / "faces"
    write_faces(faces, per_class=10, seed=1)
    return resolve({**FAST, "data": faces, "epochs": 3, "ema": 0.8, "keep": "last"})


@pytest.fixture(scope="module")
def whole(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> RunSnapshot:
    """A run of that config."""
    return train_new_run(config, tmp_path_factory.mktemp("whole"))


def weights_of(path: Path) -> list[np.ndarray]:
    import keras

    return keras.saving.load_model(path, compile=False).get_weights()


def test_a_step_moves_the_average_by_its_decay() -> None:
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.25, use_ema=True, ema_momentum=0.5), "mean_squared_error")
    seen = []
    for _ in range(3):
        model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
        seen.append(float(model.get_weights()[0][0, 0]))
    assert seen == [0.5, 0.25, 0.125]
    with EmaWeights(model).swapped_ema_weights():
        # 0.5, then the mean of 0.5 and 0.25 (0.375), then the mean of 0.375 and 0.125 (0.25).
        assert model.get_weights()[0] == pytest.approx(0.25)
    assert model.get_weights()[0] == pytest.approx(0.125)


@pytest.mark.parametrize(("steps", "decay"), [(1, 0.0), (4, 0.75), (5, 0.8), (500, 0.8)])
def test_an_average_spans_an_epoch_at_the_most(config: TrainingConfig, steps: int, decay: float) -> None:
    model = build_model(config, 7)
    compile_model(model, config, steps)
    assert model.optimizer.ema_momentum == pytest.approx(decay)


def test_averages_are_found_behind_the_loss_scaling_of_mixed_float16() -> None:
    import keras

    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", dtype="mixed_float16")
    model = keras.Sequential([keras.Input((1,)), layer])
    # Keras wraps the optimizer like this if the global dtype policy is mixed_float16.
    optimizer = keras.optimizers.SGD(0.25, use_ema=True, ema_momentum=0.5)
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=4.0), "mean_squared_error")
    for _ in range(3):
        model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
    assert model.get_weights()[0] == pytest.approx(0.125)
    with EmaWeights(model).swapped_ema_weights():
        assert model.get_weights()[0] == pytest.approx(0.25)
    assert model.get_weights()[0] == pytest.approx(0.125)


def test_a_run_in_mixed_float16_keeps_its_averages(config: TrainingConfig, tmp_path: Path) -> None:
    mixed = config.model_copy(update={"precision": "mixed_float16", "epochs": 2})
    run, plain = create_run(mixed, tmp_path), create_run(mixed, tmp_path)
    assert train_run(mixed, run, threading.Event()) == "completed"
    train_run(mixed.model_copy(update={"ema": 0.0}), plain, threading.Event())
    kept, last = weights_of(run / "best.keras"), weights_of(plain / "best.keras")
    assert max(np.abs(one - other).max() for one, other in zip(kept, last, strict=True)) > 1e-4
    done = read_run(run)
    assert done.evaluation is not None
    assert done.evaluation["accuracy"] == pytest.approx(done.history[-1]["val_accuracy"])


def test_nothing_is_swapped_where_nothing_is_averaged() -> None:
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    before = model.get_weights()
    with EmaWeights(model).swapped_ema_weights():
        assert all(map(np.array_equal, model.get_weights(), before))


def test_the_kept_model_is_the_average_and_the_history_its_figures(
    config: TrainingConfig, whole: RunSnapshot, tmp_path: Path
) -> None:
    done = whole
    assert done.evaluation is not None
    assert done.evaluation["accuracy"] == pytest.approx(done.history[-1]["val_accuracy"])
    assert done.evaluation["loss"] == pytest.approx(done.history[-1]["val_loss"], abs=1e-6)
    plain = create_run(config.model_copy(update={"ema": 0.0}), tmp_path)
    train_run(config.model_copy(update={"ema": 0.0}), plain, threading.Event())
    # Both runs train the same weights, but their kept models differ.
    for name in ("loss", "accuracy"):
        assert [row[name] for row in read_run(plain).history] == pytest.approx([row[name] for row in done.history])
    kept, last = weights_of(done.path / "best.keras"), weights_of(plain / "best.keras")
    assert max(np.abs(one - other).max() for one, other in zip(kept, last, strict=True)) > 1e-4


def test_a_resumed_run_goes_on_with_its_averages(config: TrainingConfig, whole: RunSnapshot, tmp_path: Path) -> None:
    parted = create_run(config, tmp_path)
    train_run(config.model_copy(update={"epochs": 2}), parted, threading.Event())
    train_run(config, parted, threading.Event())
    assert len(read_run(parted).history) == 3
    for one, other in zip(weights_of(whole.path / "best.keras"), weights_of(parted / "best.keras"), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
