"""compact: a small residual network for 48x48 grey faces."""

from __future__ import annotations

from typing import Any

from core.models.build import BodyOptions


def body(x: Any, options: BodyOptions) -> Any:
    """A stem and three stages of pre-activation residual blocks, then global average pooling.

    The stem halves the image at once: at 48x48 most of the time would go into the first resolution otherwise.

    Args:
        x: preprocessed pixels, shape (batch, size, size, channels).
        options: width, dropout, l2, synchronized.

    Returns:
        Features of shape (batch, 128 x width).

    Reference:
        He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv:1603.05027.
    """
    from keras import layers

    def convolution(x: Any, filters: int, size: int = 3, stride: int = 1) -> Any:
        return layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            kernel_regularizer=options.regularizer(),
        )(x)

    def activation(x: Any) -> Any:
        x = layers.BatchNormalization(momentum=0.9, synchronized=options.synchronized)(x)
        return layers.ReLU()(x)

    def block(x: Any, filters: int, stride: int) -> Any:
        active = activation(x)
        if stride > 1 or x.shape[-1] != filters:
            shortcut = layers.AveragePooling2D(stride)(active) if stride > 1 else active
            shortcut = convolution(shortcut, filters, size=1)
        else:
            shortcut = x
        x = convolution(active, filters, stride=stride)
        x = convolution(activation(x), filters)
        return layers.Add()([x, shortcut])

    x = convolution(x, options.filters(32))
    x = layers.MaxPooling2D(2)(x)
    for filters, blocks, stride in ((32, 1, 1), (96, 2, 2), (128, 1, 2)):
        for index in range(blocks):
            x = block(x, options.filters(filters), stride if index == 0 else 1)
    x = layers.GlobalAveragePooling2D()(activation(x))
    return layers.Dropout(0.3 if options.dropout is None else options.dropout)(x)
