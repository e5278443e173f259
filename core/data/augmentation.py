"""Named augmentation policies and the one function that applies a policy to a batch of images.

A policy's factors are those of Keras's preprocessing layers (RandomFlip, RandomRotation, RandomZoom,
RandomCrop, RandomTranslation, RandomContrast). Three things differ from a stack of those layers:

- Every draw is a function of the seed given with the batch, so that a resumed run sees the very same images.
- The steps, the resize included, are composed into one transform an image, so that each output pixel is
  interpolated once, straight from the source, and not blurred again by every step.
- As the composed transform knows the whole image, a step shows real pixels where, in a stack, the layer
  before it had already cut them off; `fill` stands only outside the source.
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

# Shares of the image, and the lowest height over width; the highest is its inverse.
ERASED_AREA, ERASED_RATIO = (0.02, 0.2), 0.4


@dataclass(frozen=True)
class AugmentationPolicy:
    """What may happen to a training image, and how strongly; the defaults leave it alone.

    Args:
        name: the key in `POLICIES`.
        summary: one line for a menu.
        flip: mirror one image in two, left to right.
        rotation: RandomRotation's factor, a part of a full turn, either way: 0.1 is up to 36 degrees.
        zoom: RandomZoom's height_factor, lowest and highest; the width follows. Negative zooms in.
        translation: RandomTranslation's factors, the share of the height and of the width, either way.
        contrast: RandomContrast's factor: the contrast is scaled by 1 - contrast to 1 + contrast.
        crop: resize to `crop` times the image size, then crop back at a random whole pixel. Keras's
            RandomCrop takes one offset a batch, this one an offset an image. 1.0 crops nothing.
        fill: what stands outside the source: its mirror image, its nearest pixel, or black.
        erase: share of the images that lose a rectangle, of ERASED_AREA, to their own mean.
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
        """Whether any step changes where a pixel is, and not only how bright it is."""
        return self.flip or any((self.rotation, *self.zoom, self.translation)) or self.crop != 1.0


POLICIES: dict[str, AugmentationPolicy] = {
    policy.name: policy
    for policy in (
        AugmentationPolicy("none", "images as they are"),
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
            "flip, rotation up to 14°, zoom ±15 %, shift up to 10 %, contrast ±30 %, a part erased in one of four",
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
    """The policy that a config names; under the published protocol with the article's crop, which crops nothing."""
    policy = POLICIES[config.augmentation]
    return policy if PROTOCOLS[config.protocol].crops else replace(policy, crop=1.0)


class Placement(NamedTuple):
    """Where the images of a batch land; every field is float32 of shape (batch,).

    The steps apply in this order, all about the centre of the image: mirror, rotate, zoom, move.
    """

    mirror: tf.Tensor
    """1, or -1 for an image that is flipped left to right."""
    angle: tf.Tensor
    """Radians; positive turns counter-clockwise, as in RandomRotation."""
    zoom: tf.Tensor
    """Canvas pixels that an output pixel steps over: under 1 magnifies, as 1 + RandomZoom's factor does."""
    down: tf.Tensor
    """Output pixels that the content moves down."""
    right: tf.Tensor
    """Output pixels that the content moves to the right."""


def build_augmenter(
    policy: AugmentationPolicy, image_size: int, *, compiled: bool = False
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Build the function that applies a policy to batches, for `tf.data.Dataset.map` or an XLA program.

    Args:
        policy: what to do to the images.
        image_size: height and width of the images to return, in pixels.
        compiled: use only operations that XLA compiles. The random numbers are the same, and the images equal up
            to float32 rounding. Rounding could move the edge of an erased rectangle across the centre of a
            pixel; of 250,000 rectangles it moved none.

    Returns:
        A function of images, uint8 or float32 of shape (batch, height, width, channels) and of any height and
        width, with values 0 to 255, and of a seed, int32 of shape (2,). It returns float32 of shape
        (batch, image_size, image_size, channels), values 0 to 255 (up to float32 rounding), which depend on
        nothing but images and seed.

    Example:
        >>> augment = augmenter(POLICIES["basic"], image_size=96)
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
    """Draw every image's own place, each component uniformly from the range that the policy gives.

    Args:
        policy: the ranges to draw from.
        count: number of images.
        image_size: height and width of the output, in pixels.
        canvas_size: height and width that the source is resized to before the crop, in pixels.
        seed: int32, shape (2,).

    Returns:
        The places of `count` images.
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
    """Draw numbers from 0 to 1, 1 excluded: those that TensorFlow's kernels draw, in an XLA program too.

    `tf.random.stateless_uniform` draws other floats there: of the same random bits XLA takes the upper 23, the
    kernels take the lower. Whole numbers, and so `tf.random.split`, are the same.

    Args:
        shape: int32, shape (rank,).
        seed: int32, shape (2,).

    Returns:
        float32 of the shape.
    """
    import tensorflow as tf

    any_number: Any = None  # the stubs have no None, which asks for whole numbers of the full range
    bits = tf.random.stateless_uniform(shape, seed, any_number, any_number, tf.uint32, alg="philox")
    one = 0x3F800000  # the bits of 1.0; with 23 more they are 1.0 up to 2.0
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
    """Resize the images to the canvas, place them on it and keep the middle, by one interpolation.

    An output pixel `p` shows the source at `mirror * rotation * zoom * (p - shift) * source / canvas`, both
    measured from the centre of their image: pixel centres map as in `resize`, and so a placement that moves
    nothing gives what `resize` gives, the edges included.

    Args:
        images: uint8 or float32, shape (batch, height, width, channels).
        placement: the place of every image.
        image_size: height and width of the output, in pixels.
        canvas_size: height and width that the whole source has on the scale of the output, in pixels.
        fill: what stands outside the source.
        compiled: use only operations that XLA compiles, as `core.data.resampling` tells.

    Returns:
        float32, shape (batch, image_size, image_size, channels).
    """
    import tensorflow as tf

    # The kernel blends the outermost half pixel with a constant fill, and an enlarged image would get a dark
    # rim: there, resize first, as Keras's layers do. The mirrored and the nearest pixel continue the edge.
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
    """Draw every image's own contrast factor, uniformly from 1 - contrast to 1 + contrast.

    Args:
        policy: the range to draw from.
        count: number of images.
        seed: int32, shape (2,).

    Returns:
        float32, shape (count,).
    """
    import tensorflow as tf

    lowest, highest = tf.constant(1.0 - policy.contrast), tf.constant(1.0 + policy.contrast)
    return uniform(tf.stack([count]), seed) * (highest - lowest) + lowest


def adjust_contrast(images: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Spread or draw together the values of every channel around their mean, as RandomContrast does.

    Args:
        images: float32, shape (batch, height, width, channels), values 0 to 255.
        factor: float32, shape (batch,); 1 changes nothing.

    Returns:
        float32, the shape of `images`, clipped to 0 to 255.
    """
    import tensorflow as tf

    mean = _means(images)
    return tf.clip_by_value((images - mean) * factor[:, None, None, None] + mean, 0.0, 255.0)


def _means(images: tf.Tensor) -> tf.Tensor:
    """The mean of every channel of every image, shape (batch, 1, 1, channels)."""
    import tensorflow as tf

    # One axis at a time, like Keras: the sum over a whole image may be split by the number of threads.
    return tf.reduce_mean(tf.reduce_mean(images, axis=1, keepdims=True), axis=2, keepdims=True)


class Rectangles(NamedTuple):
    """What is erased of the images of a batch, in shares of their height and width; float32 of shape (batch,)."""

    top: tf.Tensor
    left: tf.Tensor
    height: tf.Tensor
    """0 for an image that keeps all."""
    width: tf.Tensor


def draw_rectangles(policy: AugmentationPolicy, count: tf.Tensor | int, seed: tf.Tensor) -> Rectangles:
    """Draw every image's own rectangle: the area uniformly, the logarithm of its height over width too.

    Args:
        policy: the share of the images that get one.
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
    """Put every image's mean where its rectangle is.

    Args:
        images: float32, shape (batch, height, width, channels).
        rectangles: of every image; a pixel is erased where its centre is inside.

    Returns:
        float32, the shape of `images`.
    """
    import tensorflow as tf

    def inside(first: tf.Tensor, length: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
        centres = (tf.range(tf.cast(pixels, tf.float32)) + 0.5) / tf.cast(pixels, tf.float32)
        return (centres >= first[:, None]) & (centres < (first + length)[:, None])

    rows = inside(rectangles.top, rectangles.height, tf.shape(images)[1])
    columns = inside(rectangles.left, rectangles.width, tf.shape(images)[2])
    return tf.where((rows[:, :, None] & columns[:, None, :])[:, :, :, None], _means(images), images)
