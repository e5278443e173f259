"""compact: a small residual network for 48x48 grey faces."""

from __future__ import annotations

from typing import Any

from core.models.build import BodyOptions


def body(x: Any, options: BodyOptions) -> Any:
    """A stem, three pre-activation residual blocks and global average pooling.

    The stem turns each square of 2x2 pixels into the channels of one place, which loses nothing, and the first block
    halves once more: most of the time would go into the first two resolutions otherwise (see docs/champion.md).

    Args:
        x: preprocessed pixels, shape (batch, size, size, channels).
        options: width, dropout, l2, synchronized.

    Returns:
        Features of shape (batch, 128 x width).

    Reference:
        He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv:1603.05027.
    """
    from keras import layers

    def convolution(x: Any, filters: int, size: int = 3, stride: int = 1, start: str = "he_normal") -> Any:
        return layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer=start,
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

    x = convolution(x, 4 * x.shape[-1], size=2, stride=2, start="orthogonal")
    x = convolution(x, options.filters(32))
    for filters, stride in ((64, 2), (64, 1), (128, 2)):
        x = block(x, options.filters(filters), stride)
    x = layers.GlobalAveragePooling2D()(activation(x))
    return layers.Dropout(0.1 if options.dropout is None else options.dropout)(x)
