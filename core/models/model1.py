"""The article's Model 1: EfficientNetB2 as features, and a small head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.models.body_options import BodyOptions

if TYPE_CHECKING:
    import keras

BACKBONE = "efficientnetb2"
# EfficientNetB2's scaling of EfficientNetB0: Tan & Le 2019, arXiv:1905.11946, as keras.applications has it.
WIDTH_COEFFICIENT, DEPTH_COEFFICIENT, DESIGN_SIZE = 1.1, 1.2, 260
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def body(x: Any, options: BodyOptions) -> Any:
    """EfficientNetB2 without top; Conv 128 (3x3, same, relu); GlobalAveragePooling; Dense 128 relu; Dropout 0.3.

    The width scales the filters of EfficientNet (its own width coefficient, 1.1 for B2, times `width`) and those
    of the head; the depth stays B2's. Pretrained weights fit width 1 alone.

    Args:
        x: raw pixels, 0-255, since EfficientNet scales them itself; shape (batch, size, size, channels), size >= 32.
        options: width, dropout, l2, synchronized, pretrained.

    Returns:
        Features of shape (batch, 128 x width).

    Source:
        M. Thumiki, Facial Expression Recognition using Sequential Model, 2023; Adam 1e-3.
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
    """Pixels as the published ImageNet weights want them.

    Those were trained on (pixel / 255 - mean) / variance, while EfficientNet's Normalization divides by the
    deviation only. keras.applications mends that with a layer that it adds for the literal "imagenet" and not for
    a weights file. This layer, before the network, comes to the same for both: dividing by the root of the
    deviation once more, about the mean.
    """
    from keras import layers

    scale = [deviation**-0.5 for deviation in IMAGENET_DEVIATION]
    offset = [255 * mean * (1 - factor) for mean, factor in zip(IMAGENET_MEAN, scale, strict=True)]
    return layers.Rescaling(scale, offset, dtype="float32", name="imagenet_pixels")(x)


def _backbone(input_shape: tuple[int, ...], options: BodyOptions) -> keras.Model:
    from keras import layers

    # The public EfficientNetB2 is this function with B2's figures, and has no width.
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
