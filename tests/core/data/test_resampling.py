"""Compare resizing with Keras's layer, and the gather operations with TensorFlow's kernels."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from batches import max_abs_difference, noise

from core.data.resampling import Fill, affine_transform, resize

every_type = pytest.mark.parametrize("dtype", ["uint8", "float32"])
every_fill = pytest.mark.parametrize("fill", ["reflect", "nearest", "constant"])

# XLA rounds positions, here up to 350 pixels, differently. The largest difference was 0.008 levels, without XLA 0.
SAME_PIXELS = 0.02


@every_type
@pytest.mark.parametrize("size", [40, 48, 96])
def test_resize_is_what_keras_resizing_does(dtype: str, size: int):
    images = noise(dtype=dtype)
    assert max_abs_difference(resize(images, size), keras.layers.Resizing(size, size)(tf.cast(images, tf.float32))) == 0


@every_type
@pytest.mark.parametrize("compiled", [False, True])
def test_resizing_to_the_same_size_changes_no_value(dtype: str, compiled: bool):
    images = noise(dtype=dtype)
    assert max_abs_difference(resize(images, 48, compiled=compiled), tf.cast(images, tf.float32)) == 0


@every_type
@pytest.mark.parametrize("source", [(48, 48), (50, 40), (96, 80)])
@pytest.mark.parametrize("size", [40, 48, 96])
def test_gathers_resize_as_the_kernel_does(dtype: str, source: tuple[int, int], size: int):
    images = noise(3, *source, 3, dtype)
    # The measured difference was 0.00003 of 255.
    assert max_abs_difference(resize(images, size, compiled=True), resize(images, size)) < 1e-4


@pytest.mark.parametrize("size", [48, 96])
def test_gathers_resize_in_an_xla_program_as_the_kernel_does(size: int):
    images = noise(3, 50, 40, 1, "uint8")
    program = tf.function(lambda images: resize(images, size, compiled=True), jit_compile=True)
    assert max_abs_difference(program(images), resize(images, size)) < 1e-4


def transforms(count: int) -> tf.Tensor:
    """Apply random rotations, reflections, shears and scales, and shifts of several times the source's size."""
    random = np.random.default_rng(1)
    matrices = random.uniform(-1.5, 1.5, (count, 2, 3)) * [1, 1, 200]
    return tf.constant(matrices.reshape(count, 6).astype("float32"))


@every_fill
@every_type
@pytest.mark.parametrize("source", [(48, 48), (50, 40), (1, 7)])
def test_gathers_transform_as_the_kernel_does(fill: Fill, dtype: str, source: tuple[int, int]):
    images = noise(200, *source, 2, dtype)
    ours = affine_transform(images, transforms(200), 48, fill, compiled=True)
    assert max_abs_difference(ours, affine_transform(images, transforms(200), 48, fill)) < SAME_PIXELS


@every_fill
def test_gathers_transform_in_an_xla_program_as_the_kernel_does(fill: Fill):
    images = noise(200, 50, 40, 1, "uint8")
    program = tf.function(
        lambda images: affine_transform(images, transforms(200), 48, fill, compiled=True), jit_compile=True
    )
    assert max_abs_difference(program(images), affine_transform(images, transforms(200), 48, fill)) < SAME_PIXELS


@every_fill
@pytest.mark.parametrize("compiled", [False, True])
def test_what_stands_outside(fill: Fill, compiled: bool):
    """Read a row of three pixels in steps of half a pixel, from 3.5 pixels before it to 2.5 pixels after it."""
    row = tf.constant([10.0, 20.0, 40.0], shape=(1, 1, 3, 1))
    shown = affine_transform(row, tf.constant([[0.5, 0, -3.5, 0, 0, 0]]), 17, fill, compiled=compiled)[0, 0, :, 0]
    before, inside, after = shown[:7], shown[7:12], shown[12:]
    np.testing.assert_array_equal(inside, [10, 15, 20, 30, 40])
    expected = {
        "reflect": ([40, 40, 30, 20, 15, 10, 10], [40, 40, 30, 20, 15]),
        "nearest": ([10] * 7, [40] * 5),
        "constant": ([0, 0, 0, 0, 0, 0, 5], [20, 0, 0, 0, 0]),
    }
    np.testing.assert_array_equal(before, expected[fill][0])
    np.testing.assert_array_equal(after, expected[fill][1])
