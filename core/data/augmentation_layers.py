"""An augmentation policy as layers of a model, for Model 4. The layers are active in training only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.data.augmentation import ERASED_AREA, AugmentationPolicy

if TYPE_CHECKING:
    import keras


def augmentation_layers(policy: AugmentationPolicy, image_size: int) -> keras.Sequential:
    """Return Keras's preprocessing layers in the article's order: flip, rotation, zoom, contrast, crop, translation.

    In training, the layers draw random factors for each image. Otherwise they do not change the images. A crop above
    1.0 is therefore a translation and a zoom: a resize with RandomCrop would enlarge images outside training too, and
    would use one offset per batch. A crop of 1.0 is the article's RandomCrop to the image's own size, without effect.

    Args:
        policy: the changes to apply.
        image_size: height and width of the images, in pixels.

    Returns:
        A layer for images with values 0-255, shape (batch, image_size, image_size, channels). The output has the same
        shape and range. Pass `training=False` in a direct call, because Keras's random layers default to training;
        `predict` passes it itself.
    """
    import keras
    from keras import layers

    fill = policy.fill
    stack: list[keras.Layer] = []
    if policy.flip:
        stack.append(layers.RandomFlip("horizontal", dtype="float32"))
    if policy.rotation:
        stack.append(layers.RandomRotation(policy.rotation, fill_mode=fill, dtype="float32"))
    if any(policy.zoom):
        stack.append(layers.RandomZoom(policy.zoom, fill_mode=fill, dtype="float32"))
    if policy.contrast:
        stack.append(layers.RandomContrast(policy.contrast, value_range=(0, 255), dtype="float32"))
    if policy.crop > 1:
        # The cropped window's centre is up to half the difference of the sizes away from the canvas's centre.
        canvas = round(policy.crop * image_size)
        shift = (canvas - image_size) / 2 / canvas
        zoom = image_size / canvas - 1
        stack.append(layers.RandomTranslation(shift, shift, fill_mode=fill, dtype="float32"))
        stack.append(layers.RandomZoom((zoom, zoom), fill_mode=fill, dtype="float32"))
    else:
        stack.append(layers.RandomCrop(image_size, image_size, dtype="float32"))
    if policy.translation:
        stack.append(layers.RandomTranslation(policy.translation, policy.translation, fill_mode=fill, dtype="float32"))
    if policy.erase:
        stack.append(
            layers.RandomErasing(
                policy.erase, scale=ERASED_AREA, fill_value=127.5, value_range=(0, 255), dtype="float32"
            )
        )
    return keras.Sequential(stack, name="augmentation")
