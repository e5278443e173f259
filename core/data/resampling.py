"""Resize and transform images. Each output pixel is interpolated once, from its four neighbours.

Both functions have two implementations with the same result: TensorFlow's kernels, and gather operations, for XLA. XLA
has no kernel for ImageProjectiveTransformV3. Its `tf.image.resize` reads nine pixels per output pixel and computes a
matrix product. XLA fuses the gather operations, their indices and weights into one loop that stores only the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import tensorflow as tf

Fill = Literal["reflect", "nearest", "constant"]


def resize(images: tf.Tensor, image_size: int, *, compiled: bool = False) -> tf.Tensor:
    """Resize images without augmentation, for validation, prediction and the policy "none".

    The interpolation is bilinear with half-pixel centres and no antialiasing, the default of `keras.layers.Resizing`.
    Images that already have the size keep their exact values.

    Args:
        images: uint8 or float32, shape (batch, height, width, channels), values 0 to 255.
        image_size: height and width of the output images, in pixels.
        compiled: resize with gather operations, for XLA; the images are equal up to float32 rounding.

    Returns:
        float32, shape (batch, image_size, image_size, channels), values 0 to 255.
    """
    import tensorflow as tf

    if compiled and images.shape[1:3] == (image_size, image_size):
        return tf.cast(images, tf.float32)
    if not compiled:
        # The kernel reads uint8 and returns float32, so a cast before it is not needed. It returns uint8 only for
        # images that already have the size.
        return tf.cast(tf.image.resize(images, (image_size, image_size), method="bilinear"), tf.float32)

    def centres(pixels: tf.Tensor) -> tf.Tensor:
        step = tf.cast(pixels, tf.float32) / image_size
        return (tf.range(image_size, dtype=tf.float32) + 0.5) * step - 0.5

    _, height, width, _ = tf.unstack(tf.shape(images))
    return _gather_bilinear(images, centres(height)[None, :, None], centres(width)[None, None, :], "nearest")


def affine_transform(
    images: tf.Tensor, transforms: tf.Tensor, image_size: int, fill: Fill, *, compiled: bool = False
) -> tf.Tensor:
    """Apply an affine transform to each image, as ImageProjectiveTransformV3 does.

    Args:
        images: uint8 or float32, shape (batch, height, width, channels).
        transforms: float32, shape (batch, 6), for each image (a, b, c, d, e, f): the output pixel at column x and
            row y has the value of the source at column a x + b y + c and row d x + e y + f. Pixel centres are at
            whole numbers.
        image_size: height and width of the output, in pixels.
        fill: how to fill pixels outside the source. `reflect` mirrors the image and repeats the edge pixel. `nearest`
            repeats the nearest pixel. `constant` fills with 0; the image fades to 0 within one pixel of its edge.
        compiled: read the pixels with gather operations, for XLA; the images are equal up to float32 rounding.

    Returns:
        float32, shape (batch, image_size, image_size, channels).
    """
    import tensorflow as tf

    if not compiled:
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=tf.cast(images, tf.float32),
            transforms=tf.pad(transforms, [[0, 0], [0, 2]]),
            output_shape=(image_size, image_size),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode=fill.upper(),
        )

    x_by_x, x_by_y, x_at_0, y_by_x, y_by_y, y_at_0 = tf.unstack(transforms[:, :, None, None], num=6, axis=1)
    x = tf.range(image_size, dtype=tf.float32)[None, None, :]
    y = tf.range(image_size, dtype=tf.float32)[None, :, None]
    return _gather_bilinear(images, y_by_x * x + y_by_y * y + y_at_0, x_by_x * x + x_by_y * y + x_at_0, fill)


def _gather_bilinear(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor, fill: Fill) -> tf.Tensor:
    """Interpolate the images at positions between their pixels.

    Args:
        images: uint8 or float32, shape (batch, height, width, channels).
        rows: the source row of each output pixel, float32. The shapes of `rows` and `columns` broadcast to
            (batch, output height, output width).
        columns: the source column of each output pixel, float32.
        fill: how to fill pixels outside the source.

    Returns:
        float32, shape (batch, output height, output width, channels).
    """
    import tensorflow as tf

    count, height, width, _ = tf.unstack(tf.shape(images))
    # All pixels of the batch are on one axis: a gather with batch_dims=1 would need the image's number in each index.
    pixels = tf.reshape(images, [-1, images.shape[-1]])
    first_rows = (tf.range(count) * height)[:, None, None]

    def read(row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(pixels, (first_rows + row) * width + column), tf.float32)

    (upper, of_upper), (lower, of_lower) = _neighbours(rows, height, fill)
    (left, of_left), (right, of_right) = _neighbours(columns, width, fill)
    above = of_left * read(upper, left) + of_right * read(upper, right)
    below = of_left * read(lower, left) + of_right * read(lower, right)
    return of_upper * above + of_lower * below


def _neighbours(
    positions: tf.Tensor, length: tf.Tensor, fill: Fill
) -> tuple[tuple[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Find the two pixels on either side of each position, along an axis of `length` pixels.

    Returns:
        For each of the two pixels, its index, int32 and inside the axis, and its weight, float32 with a last axis for
        the channels.
    """
    import tensorflow as tf

    length = tf.cast(length, tf.float32)
    if fill == "reflect":
        # The image and its mirror image alternate, with a period of twice the length.
        period = 2.0 * length
        positions = tf.maximum(positions, -1.0 - positions)
        positions -= period * tf.floor(positions / period)
        positions = tf.minimum(positions, period - 1.0 - positions)
    if fill != "constant":
        positions = tf.clip_by_value(positions, 0.0, length - 1.0)
    before = tf.floor(positions)
    share = positions - before

    def neighbour(pixel: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        inside = tf.clip_by_value(pixel, 0.0, length - 1.0)
        if fill == "constant":
            weight = tf.where(pixel == inside, weight, 0.0)
        return tf.cast(inside, tf.int32), tf.expand_dims(weight, -1)

    return neighbour(before, 1.0 - share), neighbour(before + 1.0, share)
