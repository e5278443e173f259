"""Properties of all policies, and a comparison of each step with the Keras layer for its factor."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from batches import blobs, max_abs_difference, noise

from core.data.augmentation import (
    ERASED_AREA,
    POLICIES,
    AugmentationPolicy,
    Placement,
    adjust_contrast,
    apply_placement,
    build_augmenter,
    draw_contrast,
    draw_placement,
    draw_rectangles,
    erase_rectangles,
    uniform,
)
from core.data.resampling import Fill, resize

IMAGE_SIZE = 48
SEED = tf.constant([23, 5])

# Both sides compute the positions in float32 in a different order. The positions differ by about 1e-5 pixels, and
# values by at most 255 levels per pixel.
SAME_INTERPOLATION = 0.02
# XLA rounds positions differently, and contrast increases the difference. The largest difference in 256 images of
# every policy, fill and size was 0.005.
SAME_IN_XLA = 0.01

RANDOM_POLICIES = [policy for policy in POLICIES.values() if policy.name != "none"]
every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=lambda policy: policy.name)
every_random_policy = pytest.mark.parametrize("policy", RANDOM_POLICIES, ids=lambda policy: policy.name)
every_fill = pytest.mark.parametrize("fill", ["reflect", "nearest", "constant"])


def placed(count: int, **moved: float) -> Placement:
    """Return the same placement for `count` images, without any change except the given fields."""
    still = {"mirror": 1.0, "angle": 0.0, "zoom": 1.0, "down": 0.0, "right": 0.0}
    return Placement(**{name: tf.fill([count], value) for name, value in {**still, **moved}.items()})


def test_importing_the_module_imports_neither_tensorflow_nor_keras():
    code = "import sys, core.data.augmentation; sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras')))"
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


# Properties of every policy


@every_policy
@pytest.mark.parametrize("source", [(48, 48), (32, 40), (64, 57)], ids=["equal", "smaller", "larger"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_shape_type_and_range(policy: AugmentationPolicy, source: tuple[int, int], channels: int, dtype: str):
    images = noise(5, *source, channels, dtype)
    augmented = build_augmenter(policy, IMAGE_SIZE)(images, SEED)
    assert augmented.shape == (5, IMAGE_SIZE, IMAGE_SIZE, channels)
    assert augmented.dtype == tf.float32
    # Each pixel is a weighted mean of values up to 255. The weights sum to 1, up to float32 rounding.
    assert -1e-3 < float(tf.reduce_min(augmented)) < float(tf.reduce_max(augmented)) < 255 + 1e-3


@every_policy
def test_the_type_of_the_source_does_not_matter(policy: AugmentationPolicy):
    augment = build_augmenter(policy, 60)
    assert max_abs_difference(augment(noise(dtype="uint8"), SEED), augment(noise(dtype="float32"), SEED)) == 0


@every_policy
def test_channels_are_treated_alike(policy: AugmentationPolicy):
    grey = noise()
    colour = build_augmenter(policy, IMAGE_SIZE)(tf.repeat(grey, 3, axis=-1), SEED)
    assert max_abs_difference(colour, tf.repeat(build_augmenter(policy, IMAGE_SIZE)(grey, SEED), 3, axis=-1)) < 1e-3


@every_policy
def test_the_same_seed_gives_the_same_images(policy: AugmentationPolicy):
    first, again = (build_augmenter(policy, IMAGE_SIZE)(noise(), SEED) for _ in range(2))
    assert max_abs_difference(first, again) == 0


@every_random_policy
@pytest.mark.parametrize("other", [(23, 6), (24, 5), (5, 23)])
def test_another_seed_gives_other_images(policy: AugmentationPolicy, other: tuple[int, int]):
    augment = build_augmenter(policy, IMAGE_SIZE)
    changed = tf.abs(augment(noise(), SEED) - augment(noise(), tf.constant(other)))
    assert float(tf.reduce_min(tf.reduce_max(changed, axis=(1, 2, 3)))) > 1


@every_random_policy
def test_each_image_of_a_batch_gets_its_own_parameters(policy: AugmentationPolicy):
    augmented = build_augmenter(policy, IMAGE_SIZE)(tf.repeat(noise(1), 8, axis=0), SEED)
    for one, other in itertools.combinations(tf.unstack(augmented), 2):
        assert max_abs_difference(one, other) > 1


@every_policy
def test_sizes_may_be_unknown_until_the_batch_comes(policy: AugmentationPolicy):
    augment = tf.function(
        build_augmenter(policy, 60),
        input_signature=[tf.TensorSpec((None, None, None, 1), tf.uint8), tf.TensorSpec((2,), tf.int32)],
    )
    assert tuple(augment.get_concrete_function().output_shapes) == (None, 60, 60, 1)
    images = noise(height=40, width=52, dtype="uint8")
    assert max_abs_difference(augment(images, SEED), build_augmenter(policy, 60)(images, SEED)) < SAME_INTERPOLATION


@every_policy
def test_in_a_dataset_the_number_of_threads_does_not_matter(policy: AugmentationPolicy):
    augment = build_augmenter(policy, 60)

    def epoch(threads: int) -> list[tf.Tensor]:
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        options.threading.max_intra_op_parallelism = threads
        batches = tf.data.Dataset.from_tensor_slices(noise(30, dtype="uint8")).batch(8).enumerate()
        return list(
            batches.map(
                lambda index, images: augment(images, tf.stack([23, tf.cast(index, tf.int32)])),
                num_parallel_calls=threads,
            ).with_options(options)
        )

    alone, together = epoch(1), epoch(4)
    assert [len(batch) for batch in alone] == [8, 8, 8, 6]
    assert all(max_abs_difference(one, other) == 0 for one, other in zip(alone, together, strict=True))
    outside = augment(noise(30, dtype="uint8")[8:16], tf.constant([23, 1]))
    assert max_abs_difference(alone[1], outside) < SAME_INTERPOLATION


def test_policies_are_listed_by_their_names():
    assert list(POLICIES) == ["none", "basic", "extended", "strong"]
    assert all(name == policy.name and policy.summary for name, policy in POLICIES.items())


def test_none_only_resizes():
    assert max_abs_difference(build_augmenter(POLICIES["none"], 96)(noise(), SEED), resize(noise(), 96)) == 0


# XLA


@every_policy
@pytest.mark.parametrize(("source", "size"), [((48, 48, 1), 48), ((48, 48, 3), 96), ((50, 40, 1), 48)])
def test_in_an_xla_program_the_images_are_the_same(policy: AugmentationPolicy, source: tuple[int, int, int], size: int):
    same_in_xla(policy, noise(64, *source, "uint8"), size)


def test_in_an_xla_program_a_constant_fill_is_the_same():
    same_in_xla(replace(POLICIES["extended"], fill="constant"), noise(64), 96)


def same_in_xla(policy: AugmentationPolicy, images: tf.Tensor, size: int) -> None:
    program = tf.function(build_augmenter(policy, size, compiled=True), jit_compile=True)
    assert max_abs_difference(program(images, SEED), build_augmenter(policy, size)(images, SEED)) < SAME_IN_XLA


def test_the_draws_are_those_of_tensorflows_kernels_with_and_without_xla():
    """The numbers must be bit-identical, because stored runs resume with them."""
    shapes = [7, 37], [1]

    def draws(seed: tf.Tensor) -> list[tf.Tensor]:
        return [tf.random.split(seed, alg="philox"), *(uniform(tf.constant(shape), seed) for shape in shapes)]

    for seed in (SEED, tf.constant([-1, 2**31 - 1])):
        kernels = [tf.random.stateless_uniform(shape, seed, alg="philox") for shape in shapes]
        for found in (draws(seed), tf.function(draws, jit_compile=True)(seed)):
            for ours, theirs in zip(found, [tf.random.split(seed, alg="philox"), *kernels], strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_a_loop_of_any_number_of_steps_is_one_xla_program():
    """Gather and augment rows step by step, with the number of steps in a tensor, as a training loop does."""
    pixels, rows, policy = noise(40, dtype="uint8"), tf.reshape(tf.range(40) * 7 % 40, (40, 1)), POLICIES["strong"]
    augment, traced = build_augmenter(policy, 48, compiled=True), []

    @tf.function(jit_compile=True)
    def total(rows: tf.Tensor, first: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        traced.append("a program")

        def step(index: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            batch = augment(tf.gather(pixels, rows[index]), tf.stack([23, first + index]))
            return index + 1, images + batch

        return tf.while_loop(lambda index, _: index < steps, step, (0, tf.zeros((1, 48, 48, 1))))[1]

    for first, steps in ((10, 5), (15, 3)):
        alone = [
            build_augmenter(policy, 48)(tf.gather(pixels, rows[i]), tf.constant([23, first + i])) for i in range(steps)
        ]
        assert (
            max_abs_difference(total(rows, tf.constant(first), tf.constant(steps)), tf.add_n(alone))
            < steps * SAME_IN_XLA
        )
    assert len(traced) == 1


# Placement


@every_fill
def test_an_image_left_in_place_is_the_image_itself(fill: Fill):
    assert max_abs_difference(apply_placement(noise(), placed(6), 48, 48, fill), noise()) == 0


@every_fill
@pytest.mark.parametrize("source", [(48, 48), (30, 70), (96, 96)])
@pytest.mark.parametrize("size", [48, 75, 96])
def test_an_image_left_in_place_is_resized_edges_included(fill: Fill, source: tuple[int, int], size: int):
    images = noise(6, *source)
    assert (
        max_abs_difference(apply_placement(images, placed(6), size, size, fill), resize(images, size))
        < SAME_INTERPOLATION
    )


# Comparison of each step with the Keras layer


@pytest.mark.parametrize("size", [48, 96])
def test_flip_is_an_exact_mirror_of_about_half_of_the_images(size: int):
    images = noise(64)
    flipped = build_augmenter(AugmentationPolicy("flip", "", flip=True), size)(images, SEED)
    straight = apply_placement(images, placed(64), size, size, "reflect")
    mirrored = tf.reduce_all(flipped == tf.reverse(straight, axis=[2]), axis=(1, 2, 3))
    kept = tf.reduce_all(flipped == straight, axis=(1, 2, 3))
    assert bool(tf.reduce_all(mirrored != kept))
    # With 64 fair draws, the count is outside 16 to 48 for one in 30,000 seeds. The seed is fixed.
    assert 16 <= int(tf.reduce_sum(tf.cast(mirrored, tf.int32))) <= 48


@every_fill
@pytest.mark.parametrize("factor", [0.1, -0.1, 0.25])
def test_rotation_is_keras_random_rotation(fill: Fill, factor: float):
    layer = keras.layers.RandomRotation((factor, factor), fill_mode=fill)
    ours = apply_placement(noise(), placed(6, angle=factor * 2 * math.pi), 48, 48, fill)
    assert max_abs_difference(ours, layer(noise(), training=True)) < SAME_INTERPOLATION


@every_fill
@pytest.mark.parametrize("factor", [-0.1, -0.05, 0.2])
def test_zoom_is_keras_random_zoom(fill: Fill, factor: float):
    layer = keras.layers.RandomZoom((factor, factor), fill_mode=fill)
    ours = build_augmenter(AugmentationPolicy("zoom", "", zoom=(factor, factor), fill=fill), 48)(noise(), SEED)
    assert max_abs_difference(ours, layer(noise(), training=True)) < SAME_INTERPOLATION


@every_fill
def test_translation_is_keras_random_translation(fill: Fill):
    layer = keras.layers.RandomTranslation((0.0625, 0.0625), (-0.11, -0.11), fill_mode=fill)
    ours = apply_placement(noise(), placed(6, down=0.0625 * 48, right=-0.11 * 48), 48, 48, fill)
    assert max_abs_difference(ours, layer(noise(), training=True)) < SAME_INTERPOLATION


def test_translation_by_whole_pixels_is_exact():
    images = noise()
    moved = apply_placement(images, placed(6, down=3.0, right=-5.0), 48, 48, "constant")
    assert max_abs_difference(moved[:, 3:, :-5], images[:, :-3, 5:]) == 0
    assert max_abs_difference(moved[:, :3], tf.zeros((6, 3, 48, 1))) == 0


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 1.8])
def test_contrast_is_keras_random_contrast_clipped(factor: float):
    images = noise(channels=3)
    layer = keras.layers.RandomContrast(0.1, value_range=(0, 255))
    theirs = layer.transform_images(images, {"contrast_factor": tf.fill((6, 1, 1, 1), factor)})
    assert max_abs_difference(adjust_contrast(images, tf.fill((6,), factor)), theirs) == 0


def test_contrast_alone_leaves_every_pixel_in_its_place():
    policy = AugmentationPolicy("contrast", "", contrast=0.1)
    split = tf.random.split(SEED, alg="philox")
    factor = draw_contrast(policy, 6, split[1])
    assert max_abs_difference(build_augmenter(policy, 48)(noise(), SEED), adjust_contrast(noise(), factor)) == 0


def test_crop_cuts_each_resized_image_at_its_own_whole_pixel():
    images, policy = noise(64), AugmentationPolicy("crop", "", crop=1.08)
    placement = draw_placement(policy, 64, 96, 104, SEED)
    tops, lefts = (np.rint(4 - shift.numpy()).astype(int) for shift in (placement.down, placement.right))
    resized = resize(images, 104)
    windows = [
        resized[image, top : top + 96, left : left + 96]
        for image, (top, left) in enumerate(zip(tops, lefts, strict=True))
    ]
    cropped = apply_placement(images, placement, 96, 104, "reflect")
    assert max_abs_difference(cropped, tf.stack(windows)) < SAME_INTERPOLATION
    # 104 - 96 = 8 gives nine offsets per axis. 64 fair draws miss one of them for one in 200 seeds.
    assert set(tops) == set(lefts) == set(range(9))
    assert (tops != lefts).any()


# All steps combined


def test_the_composition_is_the_steps_one_after_another():
    """Apply all steps to a smooth image. The layers interpolate four times, `apply_placement` only once."""
    turn, zoom, (top, left), (down, right) = 0.07, -0.08, (7, 2), (0.05, -0.03)

    def one_after_another(images: tf.Tensor, fill: Fill) -> tf.Tensor:
        images = tf.reverse(resize(images, 104), axis=[2])
        images = keras.layers.RandomRotation((turn, turn), fill_mode=fill)(images, training=True)
        images = keras.layers.RandomZoom((zoom, zoom), fill_mode=fill)(images, training=True)
        images = images[:, top : top + 96, left : left + 96]
        return keras.layers.RandomTranslation((down, down), (right, right), fill_mode=fill)(images, training=True)

    images = blobs(1)
    placement = placed(
        1,
        mirror=-1.0,
        angle=turn * 2 * math.pi,
        zoom=1 + zoom,
        down=down * 96 + 4 - top,
        right=right * 96 + 4 - left,
    )
    together = apply_placement(images, placement, 96, 104, "reflect")
    inside = one_after_another(tf.ones_like(images), "constant") > 0.999
    assert float(tf.reduce_mean(tf.cast(inside, tf.float32))) > 0.8
    error = tf.abs(together - one_after_another(images, "reflect"))[inside]
    # The layers interpolate between the pixels of the enlarged image, whose slope changes at the source's pixels:
    # f'' is 150 / 8**2 = 2.3 levels there. The slope changes by 1.1 levels per canvas pixel, and the error is a quarter
    # of that per direction. Two more steps have an error of f''/8 = 0.06 per direction each: 0.8 in total.
    assert float(tf.reduce_max(error)) < 0.8
    assert max_abs_difference(together, resize(images, 96)) > 50


@every_random_policy
def test_draws_fill_the_ranges_of_the_policy(policy: AugmentationPolicy):
    placement = draw_placement(policy, 4000, 96, 104, SEED)
    contrast = draw_contrast(policy, 4000, SEED)
    turn, shift = policy.rotation * 2 * math.pi, policy.translation * 96 + 4
    for draws, lowest, highest in [
        (placement.angle, -turn, turn),
        (placement.zoom, 1 + policy.zoom[0], 1 + policy.zoom[1]),
        (placement.down, -shift, shift),
        (placement.right, -shift, shift),
        (contrast, 1 - policy.contrast, 1 + policy.contrast),
    ]:
        # 4,000 draws, or sums of two draws, cover all but a tenth of the range at either end.
        slack = 0.1 * (highest - lowest) + 1e-6
        assert lowest - 1e-6 <= float(tf.reduce_min(draws)) <= lowest + slack
        assert highest - slack <= float(tf.reduce_max(draws)) <= highest + 1e-6


def test_components_are_drawn_independently():
    policy = replace(POLICIES["extended"], zoom=(-0.1, 0.1))
    placement = draw_placement(policy, 4000, 96, 104, SEED)
    correlation = np.corrcoef([field.numpy() for field in placement])
    # The standard error of a correlation of 4,000 independent pairs is 0.016.
    assert np.abs(correlation - np.eye(5)).max() < 0.08


def test_the_published_crop_does_nothing():
    images = noise()
    published = build_augmenter(replace(POLICIES["extended"], crop=1.0), 96)(images, SEED)
    assert max_abs_difference(published, build_augmenter(POLICIES["extended"], 96)(images, SEED)) > 1
    placement = draw_placement(AugmentationPolicy("crop", "", crop=1.0), 6, 96, 96, SEED)
    assert max_abs_difference(placement.down, tf.zeros(6)) == max_abs_difference(placement.right, tf.zeros(6)) == 0


# Erasing


def test_a_rectangle_is_erased_to_the_images_own_mean_and_nothing_else():
    images = noise(64)
    erased = build_augmenter(AugmentationPolicy("erase", "", erase=0.5), 48)(images, SEED)
    kept = tf.reduce_all(erased == images, axis=(1, 2, 3)).numpy()
    # With 64 fair draws, the count is outside 16 to 48 for one in 30,000 seeds. The seed is fixed.
    assert 16 <= kept.sum() <= 48
    means = tf.reduce_mean(images, axis=(1, 2, 3)).numpy()
    for image, before, mean in zip(erased.numpy()[~kept], images.numpy()[~kept], means[~kept], strict=True):
        changed = (image != before)[..., 0]
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        inside = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert np.ptp(inside) == 0
        assert inside.flat[0] == pytest.approx(mean, abs=1e-3)
        assert changed.sum() == pytest.approx(inside.size, abs=3)  # a few noise pixels may equal the mean


def test_rectangles_are_inside_and_of_their_areas():
    drawn = draw_rectangles(AugmentationPolicy("erase", "", erase=1.0), 2000, SEED)
    top, left, height, width = (each.numpy() for each in drawn)
    areas = height * width
    assert ERASED_AREA[0] <= areas.min() < 0.03
    assert 0.19 < areas.max() <= ERASED_AREA[1] + 1e-6
    assert min(top.min(), left.min()) >= 0
    assert max((top + height).max(), (left + width).max()) <= 1
    ratios = height / width
    assert 0.4 - 1e-6 <= ratios.min() < 0.5
    assert 2 < ratios.max() <= 2.5 + 1e-5
    nothing = draw_rectangles(AugmentationPolicy("erase", "", erase=0.0), 2000, SEED)
    assert max_abs_difference(erase_rectangles(noise(2000), nothing), noise(2000)) == 0
