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
