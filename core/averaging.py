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
    if not model.optimizer.use_ema:
        yield
        return
    _swap(model)
    try:
        yield
    finally:
        _swap(model)


def _swap(model: keras.Model) -> None:
    # Keras's own callback for this swaps at moments of its choice, and back after the last epoch only by force.
    averages = model.optimizer._model_variables_moving_average
    for variable, average in zip(model.trainable_variables, averages, strict=True):
        held = variable.numpy()
        variable.assign(average.numpy())
        average.assign(held)
