"""Moving averages of a model's weights (EMA): kept by its optimizer, put into the model when it is to judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Inside, a compiled model has the averages of its weights; afterwards the weights that training goes on with.

    Nothing changes where its optimizer keeps no averages. The running statistics of its normalizations stay, which
    follow the last few batches.
    """
    optimizer = _own_optimizer(model)
    if not optimizer.use_ema:
        yield
        return
    _swap(model, optimizer)
    try:
        yield
    finally:
        _swap(model, optimizer)


def _own_optimizer(model: keras.Model) -> keras.optimizers.Optimizer:
    """The optimizer that the model was compiled with, which keeps the averages.

    Under `mixed_float16` Keras wraps it in a LossScaleOptimizer, whose own `use_ema` is always false.
    """
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _swap(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    # Keras's own callback for this swaps at moments of its choice, and back after the last epoch only by force.
    averages = optimizer._model_variables_moving_average
    for variable, average in zip(model.trainable_variables, averages, strict=True):
        held = variable.numpy()
        variable.assign(average.numpy())
        average.assign(held)
