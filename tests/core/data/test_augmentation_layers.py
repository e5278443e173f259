from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.data.augmentation import POLICIES, AugmentationPolicy
from core.data.augmentation_layers import augmentation_layers

EXTENDED = POLICIES["extended"]
every_policy = pytest.mark.parametrize("policy", [*POLICIES.values(), replace(EXTENDED, crop=1.0)])


def noise(size: int = 48) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, size, size, 1)).astype("float32")


@every_policy
def test_outside_training_images_pass_as_they_are(policy: AugmentationPolicy) -> None:
    np.testing.assert_array_equal(np.asarray(augmentation_layers(policy, 48)(noise(), training=False)), noise())


@every_policy
def test_in_training_shape_and_range_stay(policy: AugmentationPolicy) -> None:
    changed = np.asarray(augmentation_layers(policy, 48)(noise(), training=True))
    assert changed.shape == (6, 48, 48, 1)
    assert -1e-3 < changed.min() < changed.max() < 255 + 1e-3


def test_each_image_of_a_batch_is_changed_on_its_own() -> None:
    same = np.repeat(noise()[:1], 6, axis=0)
    changed = np.asarray(augmentation_layers(EXTENDED, 48)(same, training=True))
    assert all(np.abs(one - changed[0]).max() > 1 for one in changed[1:])


def test_the_published_crop_does_nothing() -> None:
    published = augmentation_layers(AugmentationPolicy("", "", crop=1.0), 48)
    assert [type(layer).__name__ for layer in published.layers] == ["RandomCrop"]
    np.testing.assert_array_equal(np.asarray(published(noise(), training=True)), noise())


def test_the_crop_shows_a_window_of_the_enlarged_image() -> None:
    """On a ramp, a window's first and last pixel give its position and scale. No pixel is from outside the image."""
    ramp = np.broadcast_to(np.arange(96, dtype="float32")[:, None, None], (64, 96, 96, 1)).copy()
    crop = augmentation_layers(AugmentationPolicy("", "", crop=1.08, fill="constant"), 96)
    windows = np.asarray(crop(ramp, training=True))[:, :, 48, 0]
    np.testing.assert_allclose(np.diff(windows)[:, 8:-8], 96 / 104, atol=1e-3)
    # The window's centre is at most four pixels, of the canvas's 104, from the image's centre.
    shifts = (windows[:, 47] + windows[:, 48]) / 2 - 47.5
    assert np.abs(shifts).max() <= 4 * 96 / 104 + 1e-3
    assert np.ptp(shifts) > 4
    white = np.asarray(crop(np.full_like(ramp, 255), training=True))
    assert white[:, 1:-1, 1:-1].min() > 254
