"""mini_xception: a small reference model of the field."""

from __future__ import annotations

from typing import Any

from core.models.body_options import BodyOptions


def body(x: Any, options: BodyOptions) -> Any:
    """Build two plain convolutions and four residual modules of separable convolutions; the head is a convolution.

    As in the source, only the kernels of the two plain convolutions have an L2 penalty. The recipe is the published
    one: Adam at 1e-3, batch size 32, L2 0.01, and a learning rate that is reduced when the validation loss stops
    improving. The source augments with rotations of up to 10 degrees, shifts and zooms of 10 %, and flips. It scales
    pixels to -1 to 1. After the first batch normalization, the result is the same as ours.

    `fer-tui train --data fer2013 --model mini_xception --epochs 1000 --patience none --time-budget 18m` trains 33
    epochs on two cores of an AMD EPYC with AVX-512, with a validation accuracy of 0.599.

    Args:
        x: preprocessed pixels, shape (batch, size, size, channels).
        options: uses width, l2 and synchronized.

    Returns:
        Features of shape (batch, size / 16, size / 16, 128 x width).

    Source:
        O. Arriaga, M. Valdenegro-Toro and P. Plöger, Real-time Convolutional Neural Networks for Emotion and Gender
        Classification, 2017, arXiv:1710.07557: accuracy 0.66 on FER2013. The layers follow the authors' code.
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
        # These two layers equal a 1x1 convolution with stride 2. For that one layer, oneDNN's gradient writes out of
        # bounds on processors with AVX-512 if the batch size is odd and the input has 8 channels (TensorFlow 2.21).
        every_other = layers.MaxPooling2D(1, strides=2, padding="same")(x)
        shortcut = normalized(layers.Conv2D(filters, 1, use_bias=False)(every_other))
        x = layers.ReLU()(separable(x, filters))
        x = layers.MaxPooling2D(3, strides=2, padding="same")(separable(x, filters))
        x = layers.Add()([x, shortcut])
    return x
