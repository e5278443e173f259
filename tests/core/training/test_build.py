"""Optimizers and schedules follow the config."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.config.training_config import resolve


def optimizer(steps: int = 10, **settings: Any) -> Any:
    import keras

    from core.training.build import compile_model

    config = resolve({"data": "x", "model": "model2", **settings})
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
    compile_model(model, config, steps)
    return model.optimizer


def test_adams_four_parameters() -> None:
    import keras

    asked: dict[str, Any] = {"learning_rate": 0.5, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}
    adam = optimizer(**asked)
    assert isinstance(adam, keras.optimizers.Adam)
    assert {name: pytest.approx(float(getattr(adam, name))) for name in asked} == asked
    article = optimizer()
    assert (article.beta_1, article.beta_2, article.epsilon) == (0.9, 0.999, 1e-7)
    assert float(article.learning_rate) == pytest.approx(1e-4)


def test_sgd_with_momentum() -> None:
    import keras

    sgd = optimizer(optimizer="sgd", learning_rate=0.1, momentum=0.7)
    assert isinstance(sgd, keras.optimizers.SGD)
    assert (sgd.momentum, sgd.nesterov) == (0.7, True)
    assert optimizer(optimizer="sgd", momentum=0.0).nesterov is False


def test_cosine_rises_and_falls_to_zero() -> None:
    rate = optimizer(schedule="cosine", learning_rate=0.2, epochs=4, warmup_epochs=1)._learning_rate
    rates = [float(rate(np.float32(step))) for step in range(41)]
    assert rates[0] == 0
    assert max(rates) == rates[10] == pytest.approx(0.2)
    assert rates[25] == pytest.approx(0.1, rel=1e-3)
    assert rates[40] == pytest.approx(0, abs=1e-6)


def test_without_a_schedule_the_rate_stays() -> None:
    assert float(optimizer(schedule="constant", learning_rate=0.3).learning_rate) == pytest.approx(0.3)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", ["compact", "mini_xception", "vgg"])
def test_in_16_bits_outputs_losses_and_batch_statistics_stay_float32(name: str, policy: str) -> None:
    import keras
    import tensorflow as tf

    from core.training.build import build_model, compile_model

    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        config = resolve({"data": "x", "model": name, "width": 0.25, "image_size": 48, "channels": 1})
        model = build_model(config, 3)
        compile_model(model, config, 1)
        pixels = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1), dtype=np.uint8)
        targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
        outputs = model(pixels, training=True)
        assert outputs.dtype == tf.float32
        assert model.compute_loss(pixels, targets, outputs).dtype == tf.float32
        norms = [each for each in model._flatten_layers() if isinstance(each, keras.layers.BatchNormalization)]
        assert norms
        for norm in norms:
            assert {str(each.dtype) for each in norm.variables} == {"float32"}
        # Their mean, 1001.33, is no number of 16 bits: the nearest bfloat16 is 1000.
        norm = keras.layers.BatchNormalization(momentum=0.0)
        norm(tf.cast([[1000.0], [1000.0], [1004.0]], norm.compute_dtype), training=True)
        assert norm.moving_mean.numpy()[0] == pytest.approx(3004 / 3, rel=1e-6)
    finally:
        keras.config.set_dtype_policy(before)
