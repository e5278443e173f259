"""vgg: a plain deep network of the 73 % class on FER2013, for a GPU."""

from __future__ import annotations

from typing import Any

from core.models.body_options import BodyOptions


def body(x: Any, options: BodyOptions) -> Any:
    """Four stages of two convolutions (64, 128, 256, 512; 3x3, same, BatchNorm, relu) and a MaxPool; two Dense 4,096.

    Its recipe is the published one as far as our settings go: SGD with Nesterov momentum 0.9, rate 0.01 that falls when
    the validation accuracy stays, 300 epochs. The source takes crops of 40x40 from 48x48, and averages ten of them
    when it predicts; it adds shifts and scalings of 20 %, rotations of 10 degrees and random erasing, and decays the
    weights by 1e-4, which is an L2 penalty of half of that.

    `fer-tui train --data fer2013 --model vgg` is for a GPU, and what it gives was not measured by us: a step has 18
    times the arithmetic of `compact`'s, and there are ten times as many.

    Args:
        x: preprocessed pixels, shape (batch, size, size, channels).
        options: width, dropout, l2, synchronized.

    Returns:
        Features of shape (batch, 4096 x width).

    Source:
        Y. Khaireddin and Z. Chen, Facial Emotion Recognition: State of the Art Performance on FER2013, 2021,
        arXiv:2105.03588: 0.7328 on the test split; layers by its authors' code.
    """
    from keras import layers

    for filters in map(options.filters, (64, 128, 256, 512)):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", kernel_regularizer=options.regularizer())(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, synchronized=options.synchronized)(x))
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dense(options.filters(4096), kernel_regularizer=options.regularizer())(x)
        x = layers.ReLU()(layers.Dropout(0.2 if options.dropout is None else options.dropout)(x))
    return x
