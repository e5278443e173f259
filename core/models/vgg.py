"""vgg: a plain deep network for a GPU. Its authors report an accuracy of 73 % on FER2013."""

from __future__ import annotations

from typing import Any

from core.models.body_options import BodyOptions


def body(x: Any, options: BodyOptions) -> Any:
    """Build four stages of two Conv (64, 128, 256, 512; 3x3, same, BatchNorm, relu) and a MaxPool; two Dense 4,096.

    The recipe is the published one, as far as our settings allow: 300 epochs of SGD with Nesterov momentum 0.9, and a
    learning rate of 0.01 that is reduced when the validation accuracy stops improving. The source also crops 48x48
    images to 40x40 and averages the predictions for ten crops. It augments with shifts and scalings of 20 %, rotations
    of 10 degrees and random erasing. Its weight decay of 1e-4 equals an L2 penalty of 5e-5.

    Train this model on a GPU: a step takes 18 times the operations of a step of `compact`, and the recipe has ten times
    as many steps. We have not measured the accuracy of `fer-tui train --data fer2013 --model vgg`.

    Args:
        x: preprocessed pixels, shape (batch, size, size, channels).
        options: uses width, dropout, l2 and synchronized.

    Returns:
        Features of shape (batch, 4096 x width).

    Source:
        Y. Khaireddin and Z. Chen, Facial Emotion Recognition: State of the Art Performance on FER2013, 2021,
        arXiv:2105.03588: accuracy 0.7328 on the test split. The layers follow the authors' code.
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
