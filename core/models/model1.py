"""The article's Model 1: EfficientNetB2 as a feature extractor, and a small head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.models.body_options import BodyOptions

if TYPE_CHECKING:
    import keras

BACKBONE = "efficientnetb2"
# EfficientNetB2's scaling of EfficientNetB0: Tan & Le 2019, arXiv:1905.11946, with the values of keras.applications.
WIDTH_COEFFICIENT, DEPTH_COEFFICIENT, DESIGN_SIZE = 1.1, 1.2, 260
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def body(x: Any, options: BodyOptions) -> Any:
    """Build EfficientNetB2 without top, Conv 128 (3x3, same, relu), GlobalAveragePooling, Dense 128 relu, Dropout 0.3.

    `width` multiplies EfficientNet's width coefficient (1.1 for B2) and the filters and units of the head. The depth is
    always that of B2. Pretrained weights fit width 1 only.

    Args:
        x: raw pixels, 0-255, since EfficientNet scales them itself; shape (batch, size, size, channels), size >= 32.
        options: uses width, dropout, l2, synchronized and pretrained.

    Returns:
        Features of shape (batch, 128 x width).

    Source:
        M. Thumiki, Facial Expression Recognition using Sequential Model, 2023; Adam at 1e-3.
    """
    from keras import layers

    if options.pretrained:
        x = _imagenet_pixels(x)
    x = _backbone(x.shape[1:], options)(x)
    x = layers.Conv2D(
        options.filters(128), 3, padding="same", activation="relu", kernel_regularizer=options.regularizer()
    )(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(options.filters(128), activation="relu", kernel_regularizer=options.regularizer())(x)
    return layers.Dropout(0.3 if options.dropout is None else options.dropout)(x)


def _imagenet_pixels(x: Any) -> Any:
    """Scale pixels for the published ImageNet weights.

    The weights were trained on (pixel / 255 - mean) / variance. EfficientNet's Normalization layer divides by the
    standard deviation only. keras.applications corrects this with another layer if the weights are "imagenet", but not
    if they come from a file. This layer, before the network, works for both: it divides once more by the square root of
    the deviation, around the mean.
    """
    from keras import layers

    scale = [deviation**-0.5 for deviation in IMAGENET_DEVIATION]
    offset = [255 * mean * (1 - factor) for mean, factor in zip(IMAGENET_MEAN, scale, strict=True)]
    return layers.Rescaling(scale, offset, dtype="float32", name="imagenet_pixels")(x)


def _backbone(input_shape: tuple[int, ...], options: BodyOptions) -> keras.Model:
    from keras import layers

    # The public EfficientNetB2 calls this function with B2's coefficients and has no width argument.
    from keras.src.applications.efficientnet import EfficientNet

    backbone = EfficientNet(
        WIDTH_COEFFICIENT * options.width,
        DEPTH_COEFFICIENT,
        DESIGN_SIZE,
        include_top=False,
        weights=None,
        input_shape=input_shape,
        name=BACKBONE,
    )
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.synchronized = options.synchronized
    for weight in backbone.trainable_weights:
        if weight.name == "kernel":
            weight.regularizer = options.regularizer()
    return backbone
