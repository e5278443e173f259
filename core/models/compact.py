"""compact: a small residual network for 48x48 grey faces."""

from __future__ import annotations

from typing import Any

from core.models.body_options import BodyOptions


def body(x: Any, options: BodyOptions) -> Any:
    """Build a stem, three pre-activation residual blocks and global average pooling.

    Pooling layers downsample, not strided convolutions: at the same cost, the validation accuracy is much higher. Two
    of the downsamplings are early, because the layers at the first resolutions would take most of the time otherwise.

    Args:
        x: preprocessed pixels, shape (batch, size, size, channels).
        options: uses width, dropout, l2 and synchronized.

    Returns:
        Features of shape (batch, 128 x width).

    Reference:
        He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv:1603.05027.
    """
    from keras import layers

    def convolution(x: Any, filters: int, size: int = 3) -> Any:
        return layers.Conv2D(
            filters,
            size,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            kernel_regularizer=options.regularizer(),
        )(x)

    def activation(x: Any) -> Any:
        x = layers.BatchNormalization(momentum=0.9, synchronized=options.synchronized)(x)
        return layers.ReLU()(x)

    def block(x: Any, filters: int, halves: bool) -> Any:
        active = activation(x)
        if halves:
            active = layers.AveragePooling2D(2)(active)
        shortcut = convolution(active, filters, size=1) if halves else x
        x = convolution(active, filters)
        x = convolution(activation(x), filters)
        return layers.Add()([x, shortcut])

    x = convolution(x, options.filters(32))
    x = layers.MaxPooling2D(2)(x)
    for filters, halves in ((64, True), (64, False), (128, True)):
        x = block(x, options.filters(filters), halves)
    x = layers.GlobalAveragePooling2D()(activation(x))
    return layers.Dropout(0.1 if options.dropout is None else options.dropout)(x)
