"""Images at other sizes and in other places, each output pixel interpolated once from its four neighbours.

Both functions have two ways to the same images: TensorFlow's kernels, and gathers, which XLA compiles. XLA has no
kernel of ImageProjectiveTransformV3, and its `tf.image.resize` reads nine pixels and blends them in a matrix
product. Of the gathers, their indices and weights it makes one loop that keeps nothing but the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import tensorflow as tf

Fill = Literal["reflect", "nearest", "constant"]


def resize(images: tf.Tensor, image_size: int, *, compiled: bool = False) -> tf.Tensor:
    """Resize without augmenting, as validation and prediction do and as the policy "none" does.

    Bilinear with half-pixel centres and no antialiasing, as `keras.layers.Resizing` does by default; images
    that have the size already keep their values exactly.

    Args:
        images: uint8 or float32, shape (batch, height, width, channels), values 0 to 255.
        image_size: height and width of the images to return, in pixels.
        compiled: resize by gathers, for XLA; the images are the same up to float32 rounding.

    Returns:
        float32, shape (batch, image_size, image_size, channels), values 0 to 255.
    """
    import tensorflow as tf

    if compiled and images.shape[1:3] == (image_size, image_size):
        return tf.cast(images, tf.float32)
    if not compiled:
        # Cast after resizing: the kernel reads uint8 itself; only images that need no resizing come out as uint8.
        return tf.cast(tf.image.resize(images, (image_size, image_size), method="bilinear"), tf.float32)

    def centres(pixels: tf.Tensor) -> tf.Tensor:
        step = tf.cast(pixels, tf.float32) / image_size
        return (tf.range(image_size, dtype=tf.float32) + 0.5) * step - 0.5

    _, height, width, _ = tf.unstack(tf.shape(images))
    return _gather_bilinear(images, centres(height)[None, :, None], centres(width)[None, None, :], "nearest")


def affine_transform(
    images: tf.Tensor, transforms: tf.Tensor, image_size: int, fill: Fill, *, compiled: bool = False
) -> tf.Tensor:
    """Show every image through an affine transform of its own, as ImageProjectiveTransformV3 does.

    Args:
        images: uint8 or float32, shape (batch, height, width, channels).
        transforms: float32, shape (batch, 6), of each image (a, b, c, d, e, f): the output pixel at column x and
            row y shows the source at column a x + b y + c and row d x + e y + f, where pixels have their centres
            at whole numbers.
        image_size: height and width of the output, in pixels.
        fill: what stands outside the source: its mirror image, which repeats the pixel at the edge; its nearest
            pixel; or 0, which the outermost pixels fade to over the distance of one pixel.
        compiled: read the pixels by gathers, for XLA; the images are the same up to float32 rounding.

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
    """The images at positions between their pixels.

    Args:
        images: uint8 or float32, shape (batch, height, width, channels).
        rows: where each output pixel is read, float32 in source pixels. Its shape and that of `columns` broadcast
            to (batch, output height, output width).
        columns: likewise.
        fill: what stands outside the source.

    Returns:
        float32, shape (batch, output height, output width, channels).
    """
    import tensorflow as tf

    count, height, width, _ = tf.unstack(tf.shape(images))
    # All pixels of the batch in one axis: a gather with batch_dims=1 would want the image's number beside each index.
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
    """The two pixels, along an axis of `length` pixels, that each position lies between.

    Returns:
        For either one its index, int32 and inside the axis, and its weight, float32 with a last axis for channels.
    """
    import tensorflow as tf

    length = tf.cast(length, tf.float32)
    if fill == "reflect":
        # The image and its mirror image repeat with a period of twice the length, mirrored at both edges.
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
