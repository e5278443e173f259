"""Moving averages of a model's weights (EMA): kept by its optimizer, put into the model when it is to judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


class EmaWeights:
    """A compiled model's averages; nothing where its optimizer keeps none."""

    def __init__(self, model: keras.Model) -> None:
        """`model`: compiled, its optimizer built."""
        import tensorflow as tf

        # Under mixed_float16 Keras wraps the optimizer in a LossScaleOptimizer, whose own `use_ema` is always false.
        optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        self._averages = optimizer._model_variables_moving_average if optimizer.use_ema else []
        self._weights = model.trainable_variables
        # One launch for all; Keras's own callback for this swaps at moments of its choice, and back only by force.
        self._swap = tf.function(self._swap_all)

    @contextmanager
    def swapped_ema_weights(self) -> Iterator[None]:
        """Inside, the model has the averages of its weights; afterwards the weights that training goes on with.

        The running statistics of its normalizations stay, which follow the last few batches.
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
