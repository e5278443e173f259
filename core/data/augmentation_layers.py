"""An augmentation policy as layers of a model: for Model 4, which keeps it in training only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.data.augmentation import ERASED_AREA, AugmentationPolicy

if TYPE_CHECKING:
    import keras


def augmentation_layers(policy: AugmentationPolicy, image_size: int) -> keras.Sequential:
    """Keras's own preprocessing layers in the article's order: flip, rotation, zoom, contrast, crop, translation.

    In training each image is changed by factors of its own. Otherwise images pass as they are, which is why a crop
    that crops is a shift and a zoom here: resizing and RandomCrop would leave the enlarged image outside training,
    and give a whole batch one offset. A crop of 1.0 is the article's RandomCrop to the image's own size, which
    does nothing.

    Args:
        policy: what to do to the images.
        image_size: height and width of the images, pixels.

    Returns:
        One layer of images 0-255, shape (batch, image_size, image_size, channels), that keeps shape and range. Keras's
        random layers take a call that says nothing for training: say `training=False`, as predict does by itself.
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
        # The canvas is `margin` pixels larger on every side; the window's centre is anywhere within that of its own.
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
