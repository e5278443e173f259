"""Batches of images, and the difference of two batches."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def noise(count: int = 6, height: int = 48, width: int = 48, channels: int = 1, dtype: str = "float32") -> tf.Tensor:
    """Create images of independent pixels, in which interpolation makes any shift visible."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, height, width, channels))
    return tf.constant(pixels.astype(dtype))


def blobs(count: int, size: int = 48) -> tf.Tensor:
    """Create smooth images without symmetry: two bright spots, 8 pixels wide, on grey."""
    y, x = np.mgrid[0:size, 0:size] / size

    def spot(centre_y: float, centre_x: float) -> np.ndarray:
        return np.exp(-((y - centre_y) ** 2 + (x - centre_x) ** 2) / (2 * (8 / 48) ** 2))

    image = 40 + 150 * spot(0.35, 0.3) + 60 * spot(0.7, 0.6)
    return tf.constant(np.repeat(image[None, :, :, None], count, axis=0).astype("float32"))


def max_abs_difference(ours: tf.Tensor, theirs: tf.Tensor) -> float:
    """Return the largest difference of any pixel, in grey levels."""
    assert ours.shape == theirs.shape
    return float(tf.reduce_max(tf.abs(ours - theirs)))
