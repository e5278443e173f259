"""The background saver: its checkpoints are consistent, written in time and complete after `close`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.runs.checkpoint import TrainingState, find_checkpoint
from core.training import checkpoint_saver
from core.training.checkpoint_saver import BackgroundSaver, ImmediateSaver
from core.training.ema import EmaWeights


def compile_model(model: Any) -> None:
    import keras

    model.compile(keras.optimizers.SGD(0.5, momentum=0.5, use_ema=True, ema_momentum=0.5), "mean_squared_error")


@pytest.fixture
def model() -> Any:
    import keras

    inputs = keras.Input((2,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(3)(inputs))
    built = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dropout(0.5)(hidden)), name="small")
    compile_model(built)
    built.optimizer.build(built.trainable_variables)
    return built


@pytest.fixture
def background(model: Any, tmp_path: Path) -> Any:
    return BackgroundSaver(tmp_path, model, "float32", compile_model, lambda: True)


def train_a_step(model: Any) -> None:
    model.train_on_batch(np.ones((4, 2)), np.zeros((4, 1)))


def weights_of(path: Path) -> list[np.ndarray]:
    import keras

    return keras.saving.load_model(path, compile=False).get_weights()


def averages(model: Any) -> list[np.ndarray]:
    with EmaWeights(model).swapped_ema_weights():
        return model.get_weights()


def test_both_ways_write_the_same(model: Any, background: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    immediate = ImmediateSaver(other, model, EmaWeights(model))
    for epoch in range(1, 4):
        train_a_step(model)
        for each in (background, immediate):
            each.store(TrainingState(epoch=epoch), is_kept=epoch < 3)
    background.close()
    one, two = find_checkpoint(tmp_path), find_checkpoint(other)
    assert one and two and one.state == two.state == TrainingState(epoch=3)
    fresh = [variable.numpy() for variable in (*model.weights, *model.optimizer.variables)]
    for found in (one, two):
        train_a_step(model)
        model.load_weights(found.weights)
        now = [variable.numpy() for variable in (*model.weights, *model.optimizer.variables)]
        differing = [
            v.path
            for v, a, b in zip([*model.weights, *model.optimizer.variables], now, fresh, strict=True)
            if not np.array_equal(a, b)
        ]
        assert differing == [], found.folder
    assert all(map(np.array_equal, weights_of(tmp_path / "best.keras"), weights_of(other / "best.keras")))


def test_what_is_on_disk_is_of_one_moment(
    model: Any, background: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_a_step(model)
    background.store(TrainingState(epoch=1), is_kept=True)
    kept = averages(model)
    found = find_checkpoint(tmp_path)
    assert found and found.state.epoch == 1, "the first epoch must be on disk before the second begins"
    better: list[np.ndarray] = []
    for epoch in (2, 3, 4):
        train_a_step(model)
        better = averages(model) if epoch == 3 else better
        background.store(TrainingState(epoch=epoch), is_kept=epoch in (2, 3))
    # Within SAVE_INTERVAL nothing is written: the checkpoint is still that of the first epoch.
    assert find_checkpoint(tmp_path) == found
    assert all(map(np.array_equal, weights_of(tmp_path / "best.keras"), kept))
    train_a_step(model)
    background.close()
    found = find_checkpoint(tmp_path)
    assert found and found.state.epoch == 4
    # The kept model is that of epoch 3, for which no checkpoint was written.
    assert all(map(np.array_equal, weights_of(tmp_path / "best.keras"), better))


def test_a_copy_is_written_when_its_time_has_come(
    model: Any, background: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_saver, "SAVE_INTERVAL", 0.2)
    for epoch in (1, 2):
        background.store(TrainingState(epoch=epoch), is_kept=epoch == 1)
    until = time.monotonic() + 30
    while (found := find_checkpoint(tmp_path)) is None or found.state.epoch < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    background.close()


def test_what_could_not_be_written_is_told_to_the_training(
    model: Any, background: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "state.json")

    monkeypatch.setattr(checkpoint_saver, "save_checkpoint", full)
    with pytest.raises(OSError, match="No space left"):
        background.store(TrainingState(epoch=1), is_kept=True)
    with pytest.raises(OSError, match="No space left"):
        background.close()


def test_a_run_that_another_process_took_over_is_left_alone(model: Any, tmp_path: Path) -> None:
    lost = BackgroundSaver(tmp_path, model, "float32", compile_model, lambda: False)
    lost.store(TrainingState(epoch=1), is_kept=True)
    lost.close()
    assert not list(tmp_path.iterdir())


def test_the_thread_has_the_runs_precision(tmp_path: Path) -> None:
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = keras.Input((2,))
        model = keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(keras.layers.Dense(3)(inputs)), name="half")
        compile_model(model)
        model.optimizer.build(model.trainable_variables)
        store = BackgroundSaver(tmp_path, model, "mixed_float16", compile_model, lambda: True)
        train_a_step(model)
        store.store(TrainingState(epoch=1), is_kept=True)
        store.close()
        found = find_checkpoint(tmp_path)
        assert found
        model.load_weights(found.weights)
    finally:
        keras.config.set_dtype_policy(before)
