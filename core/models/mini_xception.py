"""mini_xception: the field's small reference."""

from __future__ import annotations

from typing import Any

from core.models.body_options import BodyOptions


def body(x: Any, options: BodyOptions) -> Any:
    """Two plain convolutions, then four residual modules of separable convolutions; its head is a convolution.

    As in the source, L2 is on the kernels of the two plain convolutions alone. Its recipe is the published one: Adam
    1e-3, batches of 32, L2 of 0.01, the rate falling when the validation loss stays. The source augments by rotations
    of up to 10 degrees, shifts and zooms of 10 % and flips, and scales pixels to -1 to 1, which the first
    normalization makes the same as ours.

    `fer-tui train --data fer2013 --model mini_xception --epochs 1000 --patience none --time-budget 18m` did 33 epochs
    on two cores of an AMD EPYC with AVX-512: 0.599 of the validation split.

    Args:
        x: preprocessed pixels, shape (batch, size, size, channels).
        options: width, l2, synchronized.

    Returns:
        Features of shape (batch, size / 16, size / 16, 128 x width).

    Source:
        O. Arriaga, M. Valdenegro-Toro and P. Plöger, Real-time Convolutional Neural Networks for Emotion and Gender
        Classification, 2017, arXiv:1710.07557: 0.66 on FER2013; layers by its authors' code.
    """
    from keras import layers

    def normalized(x: Any) -> Any:
        return layers.BatchNormalization(synchronized=options.synchronized)(x)

    def separable(x: Any, filters: int) -> Any:
        return normalized(layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x))

    for _ in range(2):
        x = layers.Conv2D(options.filters(8), 3, use_bias=False, kernel_regularizer=options.regularizer())(x)
        x = layers.ReLU()(normalized(x))
    for filters in map(options.filters, (16, 32, 64, 128)):
        # A 1x1 convolution with stride 2, in two steps: oneDNN's gradient of it in one, by an odd batch of 8 channels,
        # writes past its memory on processors with AVX-512 (TensorFlow 2.21).
        every_other = layers.MaxPooling2D(1, strides=2, padding="same")(x)
        shortcut = normalized(layers.Conv2D(filters, 1, use_bias=False)(every_other))
        x = layers.ReLU()(separable(x, filters))
        x = layers.MaxPooling2D(3, strides=2, padding="same")(separable(x, filters))
        x = layers.Add()([x, shortcut])
    return x
