"""The article's Model 2: three plain convolutions and two dense layers."""

from __future__ import annotations

from typing import Any

from core.models.body_options import BodyOptions


def body(x: Any, options: BodyOptions) -> Any:
    """Build Conv 32, 64, 128 (3x3, valid, relu), each with MaxPool 2, then Flatten, Dense 128 relu, Dropout 0.5.

    Args:
        x: preprocessed pixels, shape (batch, size, size, channels).
        options: uses width, dropout and l2.

    Returns:
        Features of shape (batch, 128 x width).

    Source:
        M. Thumiki, Facial Expression Recognition using Sequential Model, 2023, the author's code; Adam at 1e-4.
    """
    from keras import layers

    for filters in (32, 64, 128):
        x = layers.Conv2D(options.filters(filters), 3, activation="relu", kernel_regularizer=options.regularizer())(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(options.filters(128), activation="relu", kernel_regularizer=options.regularizer())(x)
    return layers.Dropout(0.5 if options.dropout is None else options.dropout)(x)
