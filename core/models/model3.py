"""The article's Models 3 and 4: a dozen convolutions, then two dense layers, the first with most of the weights."""

from __future__ import annotations

import math
from typing import Any

from core.models.body_options import BodyOptions


def model3(x: Any, options: BodyOptions) -> Any:
    """Build the article's Model 3. The article trains it with Adam at 1e-3.

    Args:
        x: preprocessed pixels, shape (batch, size, size, channels).
        options: uses width, dropout, l2, synchronized and variant: "text" for the layers in the article's text, "code"
            for the layers in its author's code.

    Returns:
        Features of shape (batch, 512 x width).

    Source:
        M. Thumiki, Facial Expression Recognition using Sequential Model, 2023.
    """
    for layer in _layers(options, model=3):
        x = layer(x)
    return x


def model4(x: Any, options: BodyOptions) -> Any:
    """Build the article's Model 4: Model 3 with a few more layers. The article trains it with Adam at 1e-4.

    `core.training.build` adds its first layer, the extended augmentation, before the preprocessing.

    Args:
        x: as for `model3`.
        options: as for `model3`.

    Returns:
        Features of shape (batch, 512 x width).
    """
    for layer in _layers(options, model=4):
        x = layer(x)
    return x


def _layers(options: BodyOptions, model: int) -> list[Any]:
    """Return the layers from the first convolution to the last dropout, in order."""
    from keras import layers

    def conv(filters: int, activation: str | None = "relu", padding: str = "same") -> Any:
        return layers.Conv2D(
            options.filters(filters),
            3,
            padding=padding,
            activation=activation,
            kernel_regularizer=options.regularizer(),
        )

    def batch_norm() -> Any:
        return layers.BatchNormalization(synchronized=options.synchronized)

    def group_norm(filters: int) -> Any:
        # Keras's default is 32 groups; the number of groups must divide a narrow layer's number of filters.
        return layers.GroupNormalization(math.gcd(32, options.filters(filters)))

    def dense(units: int) -> Any:
        return layers.Dense(options.filters(units), activation="relu", kernel_regularizer=options.regularizer())

    def dropout() -> Any:
        return layers.Dropout(0.5 if options.dropout is None else options.dropout)

    text = options.variant == "text"
    fourth_in_text, fourth_in_code = (model == 4 and text), (model == 4 and not text)
    return [
        conv(32, padding="valid"),
        batch_norm(),
        *([conv(512)] if fourth_in_text else []),
        layers.MaxPooling2D(2),
        conv(1024, "tanh"),
        *(
            [conv(512, padding="valid"), batch_norm(), conv(512), batch_norm()]
            if fourth_in_code
            else [conv(128, padding="valid"), group_norm(128) if text else batch_norm(), conv(256), batch_norm()]
        ),
        conv(256),
        batch_norm(),
        conv(512),
        layers.MaxPooling2D(2),
        conv(1024),
        group_norm(1024) if text else batch_norm(),
        conv(1024),
        batch_norm(),
        conv(1024, "sigmoid"),
        conv(1024, "tanh"),
        *([batch_norm()] if fourth_in_code else []),
        conv(1024, None),
        layers.LeakyReLU(0.3),
        *([batch_norm()] if fourth_in_text else []),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        dense(1024),
        dropout(),
        dense(512),
        dropout(),
        *([dropout()] if fourth_in_text else []),
    ]
