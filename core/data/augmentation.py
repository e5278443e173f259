"""Augmentation policies, and the function that applies a policy to a batch of images.

A policy's factors are those of Keras's preprocessing layers (RandomFlip, RandomRotation, RandomZoom,
RandomCrop, RandomTranslation, RandomContrast). Three things differ from a stack of those layers:

- All random numbers depend only on the seed of the batch, so that a resumed run trains on exactly the same images.
- One transform per image combines all steps, including the resize. It interpolates each output pixel once, from the
  source. In a stack, each layer interpolates again and blurs the image.
- The transform reads the whole source image. In a stack, a layer can't use pixels that the layer before it cut off.
  `fill` applies only to pixels outside the source.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from core.config.protocol import PROTOCOLS
from core.data.resampling import Fill, affine_transform, resize

if TYPE_CHECKING:
    import tensorflow as tf

    from core.config.training_config import TrainingConfig

# Range of the erased area as a fraction of the image, and the lowest aspect ratio; the highest is its inverse.
ERASED_AREA, ERASED_RATIO = (0.02, 0.2), 0.4


@dataclass(frozen=True)
class AugmentationPolicy:
    """The random changes to training images, and their strength. The defaults change nothing.

    Args:
        name: the key in `POLICIES`.
        summary: one line for a menu.
        flip: flip half of the images horizontally.
        rotation: RandomRotation's factor, a fraction of a full turn in either direction: 0.1 is up to 36 degrees.
        zoom: RandomZoom's height_factor, lowest and highest; the width has the same factor. Negative values zoom in.
        translation: RandomTranslation's factors, a fraction of the height and of the width, in either direction.
        contrast: RandomContrast's factor: the contrast is scaled by 1 - contrast to 1 + contrast.
        crop: resize to `crop` times the image size, then crop to the image size. The crop's offset is random, in whole
            pixels. Each image has its own offset; Keras's RandomCrop uses one offset per batch. 1.0 has no effect.
        fill: how to fill pixels outside the source: reflect, nearest or constant (black).
        erase: the fraction of images in which a rectangle is replaced by the image's mean. Its area is drawn
            from the range ERASED_AREA.
    """

    name: str
    summary: str
    flip: bool = False
    rotation: float = 0.0
    zoom: tuple[float, float] = (0.0, 0.0)
    translation: float = 0.0
    contrast: float = 0.0
    crop: float = 1.0
    fill: Fill = "reflect"
    erase: float = 0.0

    @property
    def moves_pixels(self) -> bool:
        """Whether any step is geometric, such as a flip or a rotation."""
        return self.flip or any((self.rotation, *self.zoom, self.translation)) or self.crop != 1.0


POLICIES: dict[str, AugmentationPolicy] = {
    policy.name: policy
    for policy in (
        AugmentationPolicy("none", "no augmentation"),
        AugmentationPolicy(
            "basic",
            "flip, rotation up to 36°, zoom in by 5 to 10 %",
            flip=True,
            rotation=0.1,
            zoom=(-0.1, -0.05),
        ),
        AugmentationPolicy(
            "extended",
            "flip, rotation up to 36°, contrast ±10 %, random crop, shift up to 10 %",
            flip=True,
            rotation=0.1,
            translation=0.1,
            contrast=0.1,
            crop=1.08,
        ),
        AugmentationPolicy(
            "strong",
            "flip, rotation up to 14°, zoom ±15 %, shift up to 10 %, contrast ±30 %, random erasing in 25 % of images",
            flip=True,
            rotation=0.04,
            zoom=(-0.15, 0.15),
            translation=0.1,
            contrast=0.3,
            erase=0.25,
        ),
    )
}


def augmentation_policy(config: TrainingConfig) -> AugmentationPolicy:
    """Return the config's policy. The published protocol disables the crop: the article crops to the same size."""
    policy = POLICIES[config.augmentation]
    return policy if PROTOCOLS[config.protocol].crops else replace(policy, crop=1.0)


class Placement(NamedTuple):
    """The geometric transforms for a batch of images. Every field is float32 of shape (batch,).

    The order of the steps is mirror, rotate, zoom, translate, all around the centre of the image.
    """

    mirror: tf.Tensor
    """1, or -1 for an image that is flipped horizontally."""
    angle: tf.Tensor
    """Radians; a positive angle rotates counter-clockwise, as in RandomRotation."""
    zoom: tf.Tensor
    """1 + RandomZoom's factor. Values below 1 zoom in."""
    down: tf.Tensor
    """Shift down, in output pixels."""
    right: tf.Tensor
    """Shift to the right, in output pixels."""


def build_augmenter(
    policy: AugmentationPolicy, image_size: int, *, compiled: bool = False
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Build the function that applies a policy to batches, for `tf.data.Dataset.map` or an XLA program.

    Args:
        policy: the changes to apply.
        image_size: height and width of the output images, in pixels.
        compiled: use only operations that XLA compiles. The random numbers are the same, and the images are equal up
            to float32 rounding. Rounding could add or remove a pixel at the edge of an erased rectangle. In 250,000
            rectangles this never happened.

    Returns:
        A function `augment(images, seed)`. `images`: uint8 or float32, shape (batch, height, width, channels), any
        height and width, values 0 to 255. `seed`: int32, shape (2,). It returns float32 of shape (batch, image_size,
        image_size, channels), with values 0 to 255 (up to float32 rounding). The result depends only on the images and
        the seed.

    Example:
        >>> augment = build_augmenter(POLICIES["basic"], image_size=96)
        >>> faces = augment(tf.zeros((64, 48, 48, 1), tf.uint8), tf.constant([23, 0]))
        >>> faces.shape
        TensorShape([64, 96, 96, 1])
    """
    import tensorflow as tf

    canvas_size = round(policy.crop * image_size)

    def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        placement_seed, contrast_seed = tf.unstack(tf.random.split(seed, alg="philox"))
        count = tf.shape(images)[0]
        if policy.moves_pixels:
            placement = draw_placement(policy, count, image_size, canvas_size, placement_seed)
            images = apply_placement(images, placement, image_size, canvas_size, policy.fill, compiled=compiled)
        else:
            images = resize(images, image_size, compiled=compiled)
        if policy.contrast:
            images = adjust_contrast(images, draw_contrast(policy, count, contrast_seed))
        if policy.erase:
            erase_seed = tf.random.split(contrast_seed, alg="philox")[1]
            images = erase_rectangles(images, draw_rectangles(policy, count, erase_seed))
        return images

    return augment


def draw_placement(
    policy: AugmentationPolicy, count: tf.Tensor | int, image_size: int, canvas_size: int, seed: tf.Tensor
) -> Placement:
    """Draw a random transform for each image, each component uniformly from the policy's range.

    Args:
        policy: the ranges.
        count: number of images.
        image_size: height and width of the output, in pixels.
        canvas_size: height and width of the resized source before the crop, in pixels.
        seed: int32, shape (2,).

    Returns:
        The transforms for `count` images.
    """
    import tensorflow as tf

    draws = uniform(tf.stack([7, count]), seed)
    mirror, angle, zoom, down, right, top, left = tf.unstack(draws, num=7)
    nearest_zoom, farthest_zoom = policy.zoom
    margin = canvas_size - image_size

    def either_way(draw: tf.Tensor, limit: float) -> tf.Tensor:
        return (2.0 * draw - 1.0) * limit

    def crop_shift(draw: tf.Tensor) -> tf.Tensor:
        return margin / 2 - tf.floor(draw * (margin + 1))

    return Placement(
        mirror=tf.where(mirror < 0.5, -1.0, 1.0) if policy.flip else tf.ones_like(mirror),
        angle=either_way(angle, policy.rotation * 2.0 * math.pi),
        zoom=1.0 + nearest_zoom + zoom * (farthest_zoom - nearest_zoom),
        down=either_way(down, policy.translation * image_size) + crop_shift(top),
        right=either_way(right, policy.translation * image_size) + crop_shift(left),
    )


def uniform(shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw uniform random numbers in [0, 1), the same ones with and without XLA.

    `tf.random.stateless_uniform` returns other floats in an XLA program: XLA uses the upper 23 of the random bits,
    TensorFlow's kernels use the lower 23. Random integers are the same, and so is `tf.random.split`.

    Args:
        shape: int32, shape (rank,).
        seed: int32, shape (2,).

    Returns:
        float32, with the given shape.
    """
    import tensorflow as tf

    any_number: Any = None  # None means integers of the full range; the type stubs do not allow it
    bits = tf.random.stateless_uniform(shape, seed, any_number, any_number, tf.uint32, alg="philox")
    one = 0x3F800000  # the bits of 1.0; with 23 random bits for the fraction, the float is in [1, 2)
    return tf.bitcast((bits & 0x7FFFFF) | one, tf.float32) - 1.0


def apply_placement(
    images: tf.Tensor,
    placement: Placement,
    image_size: int,
    canvas_size: int,
    fill: Fill,
    *,
    compiled: bool = False,
) -> tf.Tensor:
    """Resize the images to the canvas, transform them and crop the centre, with a single interpolation.

    Output pixel `p` has the value of the source at `mirror * rotation * zoom * (p - shift) * source / canvas`. Both
    positions are relative to the centre of their image. Pixel centres map as in `resize`. A placement that changes
    nothing therefore returns the same images as `resize`, including the edges.

    Args:
        images: uint8 or float32, shape (batch, height, width, channels).
        placement: the transform of each image.
        image_size: height and width of the output, in pixels.
        canvas_size: height and width of the resized source, in output pixels.
        fill: how to fill pixels outside the source.
        compiled: use only operations that XLA compiles; see `core.data.resampling`.

    Returns:
        float32, shape (batch, image_size, image_size, channels).
    """
    import tensorflow as tf

    # With a constant fill, the kernel blends the outermost half pixel of the source with the fill value. Enlarging an
    # image would then give it a dark edge. For this fill only, resize first, as Keras's layers do.
    if fill == "constant":
        images = resize(images, canvas_size, compiled=compiled)

    height = tf.cast(tf.shape(images)[1], tf.float32)
    width = tf.cast(tf.shape(images)[2], tf.float32)
    cosine, sine = tf.cos(placement.angle), tf.sin(placement.angle)
    scale_x = placement.mirror * placement.zoom * width / canvas_size
    scale_y = placement.zoom * height / canvas_size
    left = -placement.right - (image_size - 1) / 2
    top = -placement.down - (image_size - 1) / 2

    x_by_x, x_by_y = scale_x * cosine, -scale_x * sine
    y_by_x, y_by_y = scale_y * sine, scale_y * cosine
    x_at_0 = x_by_x * left + x_by_y * top + (width - 1.0) / 2.0
    y_at_0 = y_by_x * left + y_by_y * top + (height - 1.0) / 2.0
    transforms = tf.stack([x_by_x, x_by_y, x_at_0, y_by_x, y_by_y, y_at_0], axis=1)
    return affine_transform(images, transforms, image_size, fill, compiled=compiled)


def draw_contrast(policy: AugmentationPolicy, count: tf.Tensor | int, seed: tf.Tensor) -> tf.Tensor:
    """Draw a contrast factor for each image, uniformly from 1 - contrast to 1 + contrast.

    Args:
        policy: the range.
        count: number of images.
        seed: int32, shape (2,).

    Returns:
        float32, shape (count,).
    """
    import tensorflow as tf

    lowest, highest = tf.constant(1.0 - policy.contrast), tf.constant(1.0 + policy.contrast)
    return uniform(tf.stack([count]), seed) * (highest - lowest) + lowest


def adjust_contrast(images: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Scale the differences from each channel's mean, as RandomContrast does.

    Args:
        images: float32, shape (batch, height, width, channels), values 0 to 255.
        factor: float32, shape (batch,); 1 has no effect.

    Returns:
        float32, same shape as `images`, clipped to 0 to 255.
    """
    import tensorflow as tf

    mean = _means(images)
    return tf.clip_by_value((images - mean) * factor[:, None, None, None] + mean, 0.0, 255.0)


def _means(images: tf.Tensor) -> tf.Tensor:
    """Return the mean of every channel of every image, shape (batch, 1, 1, channels)."""
    import tensorflow as tf

    # Reduce one axis at a time, as Keras does: the rounding of a sum over both could depend on the number of threads.
    return tf.reduce_mean(tf.reduce_mean(images, axis=1, keepdims=True), axis=2, keepdims=True)


class Rectangles(NamedTuple):
    """The erased rectangle of each image, as fractions of its height and width. Fields are float32, shape (batch,)."""

    top: tf.Tensor
    left: tf.Tensor
    height: tf.Tensor
    """0 for an image without erasing."""
    width: tf.Tensor


def draw_rectangles(policy: AugmentationPolicy, count: tf.Tensor | int, seed: tf.Tensor) -> Rectangles:
    """Draw a rectangle for each image, with a uniform area and a log-uniform aspect ratio.

    Args:
        policy: the fraction of images with a rectangle.
        count: number of images.
        seed: int32, shape (2,).

    Source:
        Zhong et al. 2020, Random Erasing Data Augmentation, arXiv:1708.04896.
    """
    import tensorflow as tf

    draws = uniform(tf.stack([5, count]), seed)
    chosen, area, ratio, top, left = tf.unstack(draws, num=5)
    least, most = ERASED_AREA
    side = tf.sqrt(least + area * (most - least))
    stretch = tf.exp((ratio - 0.5) * -math.log(ERASED_RATIO))
    height = tf.where(chosen < policy.erase, side * stretch, 0.0)
    width = side / stretch
    return Rectangles(top * (1.0 - height), left * (1.0 - width), height, width)


def erase_rectangles(images: tf.Tensor, rectangles: Rectangles) -> tf.Tensor:
    """Fill each image's rectangle with the image's mean.

    Args:
        images: float32, shape (batch, height, width, channels).
        rectangles: each image's rectangle. It covers the pixels whose centre is inside.

    Returns:
        float32, same shape as `images`.
    """
    import tensorflow as tf

    def inside(first: tf.Tensor, length: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
        centres = (tf.range(tf.cast(pixels, tf.float32)) + 0.5) / tf.cast(pixels, tf.float32)
        return (centres >= first[:, None]) & (centres < (first + length)[:, None])

    rows = inside(rectangles.top, rectangles.height, tf.shape(images)[1])
    columns = inside(rectangles.left, rectangles.width, tf.shape(images)[2])
    return tf.where((rows[:, :, None] & columns[:, None, :])[:, :, :, None], _means(images), images)
