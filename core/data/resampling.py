"""Bilinear resampling out of operations that XLA compiles.

XLA has no kernel of ImageProjectiveTransformV3, and its `tf.image.resize` reads nine pixels for the four that it
blends. Here a pixel of the output reads its four neighbours by gathers whose indices are computed where they are
used, so that XLA makes one loop of it all and keeps neither indices nor weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import tensorflow as tf

Fill = Literal["reflect", "nearest", "constant"]


def resample(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor, fill: Fill) -> tf.Tensor:
    """Read images at positions between their pixels, as ImageProjectiveTransformV3 does with BILINEAR.

    Args:
        images: uint8 or float32, shape (batch, height, width, channels).
        rows: where each output pixel reads, float32 in source pixels; 0 is the centre of the first row. Its shape
            and that of `columns` broadcast to (batch, output height, output width).
        columns: likewise; 0 is the centre of the first column.
        fill: what stands outside the source: its mirror image, the edge pixel included; its nearest pixel; or 0,
            which the outermost pixels fade to over the distance of one pixel.

    Returns:
        float32, shape (batch, output height, output width, channels).
    """
    import tensorflow as tf

    count, height, width, channels = tf.unstack(tf.shape(images))
    pixels = tf.reshape(images, tf.stack([count * height * width, channels]))
    first_row = tf.reshape(tf.range(count), [-1, 1, 1]) * height

    def read(row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(pixels, (first_row + row) * width + column), tf.float32)

    (upper, of_upper), (lower, of_lower) = _neighbours(rows, height, fill)
    (left, of_left), (right, of_right) = _neighbours(columns, width, fill)
    above = of_left * read(upper, left) + of_right * read(upper, right)
    below = of_left * read(lower, left) + of_right * read(lower, right)
    return tf.ensure_shape(of_upper * above + of_lower * below, [None, None, None, images.shape[-1]])


def _neighbours(positions: tf.Tensor, length: tf.Tensor, fill: Fill) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """The two pixels of an axis, of `length`, that each position lies between.

    Returns:
        For either one its index, int32 and within the axis, and its weight, float32 with a last axis of 1.
    """
    import tensorflow as tf

    length = tf.cast(length, tf.float32)
    if fill == "reflect":
        # A position's distance from the nearest edge between the source and its mirror image, the axis repeated.
        positions = length - 0.5 - tf.abs(tf.math.floormod(positions + 0.5, 2.0 * length) - length)
    if fill != "constant":
        positions = tf.clip_by_value(positions, 0.0, length - 1.0)
    before = tf.floor(positions)
    share = positions - before
    found = []
    for pixel, weight in ((before, 1.0 - share), (before + 1.0, share)):
        inside = tf.clip_by_value(pixel, 0.0, length - 1.0)
        if fill == "constant":
            weight = tf.where(pixel == inside, weight, 0.0)
        found.append((tf.cast(inside, tf.int32), weight[..., None]))
    return found
