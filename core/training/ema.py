"""Exponential moving averages (EMA) of a model's weights, used for validation and for the kept model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


class EmaWeights:
    """The moving averages of a compiled model's weights; empty if its optimizer does not use EMA."""

    def __init__(self, model: keras.Model) -> None:
        """`model` must be compiled and its optimizer built."""
        import tensorflow as tf

        # Under mixed_float16 Keras wraps the optimizer in a LossScaleOptimizer, whose own `use_ema` is always false.
        optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        self._averages = optimizer._model_variables_moving_average if optimizer.use_ema else []
        self._weights = model.trainable_variables
        # One function call swaps all weights. Keras's SwapEMAWeights callback swaps only at fixed points of `fit`.
        self._swap = tf.function(self._swap_all, autograph=False)

    @contextmanager
    def swapped_ema_weights(self) -> Iterator[None]:
        """Swap the moving averages into the model inside the block, and restore the weights afterwards.

        The moving statistics of normalization layers do not change. They follow the last few batches.
        """
        if not self._averages:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap_all(self) -> None:
        import tensorflow as tf

        for weight, average in zip(self._weights, self._averages, strict=True):
            held = tf.identity(weight.value)
            weight.assign(average)
            average.assign(held)
