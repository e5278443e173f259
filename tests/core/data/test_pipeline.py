"""The training stream shuffles fully, has every image once per pass, and has the same batches from any step."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest

from core.config.protocol import SHUFFLE_BUFFER
from core.config.training_config import TrainingConfig, resolve
from core.data.augmentation import augmentation_policy
from core.data.encoding import LabelEncoding
from core.data.pipeline import (
    EVALUATION_BATCH_SIZE,
    evaluation_batch_size,
    evaluation_batches,
    published_rows,
    published_validation_rows,
    training_rows,
    training_stream,
)
from core.errors import DatasetError

IMAGES = 50


def config(**settings: Any) -> TrainingConfig:
    return resolve({"data": "x", "model": "compact", "batch_size": 8, "augmentation": "none", **settings})


@pytest.fixture
def pixels() -> np.ndarray:
    """Return images in which every pixel equals the image's number."""
    return np.broadcast_to(np.arange(IMAGES, dtype=np.uint8)[:, None, None, None], (IMAGES, 48, 48, 1)).copy()


@pytest.fixture
def targets() -> np.ndarray:
    names = [str(i % 5) for i in range(IMAGES)]
    return LabelEncoding().fit(names).transform(names)


def numbers(batch: Any) -> list[int]:
    return np.asarray(batch[0])[:, 0, 0, 0].astype(int).tolist()


def take(stream: Any, count: int) -> list[Any]:
    return list(stream.take(count).as_numpy_iterator())


def test_every_pass_has_every_image_once_in_another_order(pixels: np.ndarray, targets: np.ndarray) -> None:
    batches = [numbers(batch) for batch in take(training_stream(pixels, targets, config()), 14)]
    first, second = list(chain(*batches[:7])), list(chain(*batches[7:]))
    assert [len(batch) for batch in batches[:7]] == [8, 8, 8, 8, 8, 8, 2]
    assert sorted(first) == sorted(second) == list(range(IMAGES))
    assert first != second != list(range(IMAGES))


def test_targets_stay_with_their_images(pixels: np.ndarray, targets: np.ndarray) -> None:
    for batch in take(training_stream(pixels, targets, config()), 7):
        np.testing.assert_array_equal(batch[1], targets[numbers(batch)])


@pytest.mark.parametrize("first_step", [1, 6, 7, 11])
@pytest.mark.parametrize("policy", ["none", "basic", "extended"])
def test_a_stream_goes_on_from_any_step(pixels: np.ndarray, targets: np.ndarray, first_step: int, policy: str) -> None:
    settings = config(augmentation=policy)
    whole = take(training_stream(pixels, targets, settings), 15)[first_step:]
    rest = take(training_stream(pixels, targets, settings, first_step=first_step), 15 - first_step)
    for one, other in zip(whole, rest, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_other_seeds_give_other_orders(pixels: np.ndarray, targets: np.ndarray) -> None:
    orders = {tuple(numbers(take(training_stream(pixels, targets, config(seed=s)), 1)[0])) for s in range(4)}
    assert len(orders) == 4


def test_a_small_buffer_keeps_batches_nearly_pure(targets: np.ndarray) -> None:
    images = np.zeros((1000, 48, 48, 1), np.uint8)
    listed = np.eye(5, dtype=np.float32)[np.arange(1000) // 200]
    stream = training_stream(images, listed, config(batch_size=20), shuffle_buffer=20)
    purity = [batch[1].sum(axis=0).max() / 20 for batch in take(stream, 50)]
    mixed = [b[1].sum(axis=0).max() / 20 for b in take(training_stream(images, listed, config(batch_size=20)), 50)]
    assert np.mean(purity) > 0.9
    assert np.mean(mixed) < 0.5


def test_drop_remainder_leaves_only_whole_batches(pixels: np.ndarray, targets: np.ndarray) -> None:
    stream = training_stream(pixels, targets, config(), drop_remainder=True)
    assert {len(batch[0]) for batch in take(stream, 20)} == {8}


def test_a_batch_larger_than_the_data_is_the_data(pixels: np.ndarray, targets: np.ndarray) -> None:
    batch = take(training_stream(pixels, targets, config(batch_size=512), drop_remainder=True), 1)[0]
    assert sorted(numbers(batch)) == list(range(IMAGES))


def test_class_weights_are_a_weight_an_image(pixels: np.ndarray, targets: np.ndarray) -> None:
    weights = np.arange(1, 6, dtype=np.float32)
    for values, wanted, weight in take(training_stream(pixels, targets, config(), class_weights=weights), 7):
        assert len(values) == len(weight)
        np.testing.assert_array_equal(weight, weights[wanted.argmax(axis=1)])


@pytest.mark.parametrize(("stored", "channels"), [(1, 1), (1, 3), (3, 3)])
def test_grey_or_colour_as_the_model_asks(stored: int, channels: int, targets: np.ndarray) -> None:
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 48, 48, stored)).astype(np.uint8)
    settings = config(channels=channels, image_size=64)
    batch = take(training_stream(images, targets, settings), 1)[0]
    assert batch[0].shape == (8, 64, 64, channels)
    if stored == 1 and channels == 3:
        np.testing.assert_array_equal(batch[0][..., 0], batch[0][..., 2])


def test_evaluation_keeps_the_order(pixels: np.ndarray, targets: np.ndarray) -> None:
    batches = list(evaluation_batches(pixels, targets, 48, 1, batch=16).as_numpy_iterator())
    assert list(chain(*(numbers(batch) for batch in batches))) == list(range(IMAGES))
    alone = list(evaluation_batches(pixels, None, 48, 1, batch=16).as_numpy_iterator())
    np.testing.assert_array_equal(alone[1], batches[1][0])


# The published protocol

LISTED = 3000


@pytest.mark.parametrize("first_step", [1, 225, 450, 451, 1000])
def test_a_listing_shuffled_with_a_buffer_goes_on_from_any_step(first_step: int) -> None:
    # A pass has 47 batches. An epoch of 23 steps ends in the middle of a pass, and the next epoch continues there.
    settings = config(batch_size=64)
    whole = take(training_rows(LISTED, settings, shuffle_buffer=SHUFFLE_BUFFER), first_step + 60)
    rest = take(training_rows(LISTED, settings, shuffle_buffer=SHUFFLE_BUFFER, first_step=first_step), 60)
    for one, other in zip(whole[first_step:], rest, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_buffer_lets_no_row_out_before_it_is_in() -> None:
    passes = np.concatenate(take(training_rows(LISTED, config(batch_size=50), shuffle_buffer=SHUFFLE_BUFFER), 120))
    for order in passes.reshape(2, LISTED):
        assert sorted(order) == list(range(LISTED))
        assert (order < np.arange(LISTED) + SHUFFLE_BUFFER).all()
    assert (passes[:LISTED] != passes[LISTED:]).any()


def test_the_stream_draws_the_rows_that_are_told(pixels: np.ndarray, targets: np.ndarray) -> None:
    rows = take(training_rows(IMAGES, config(), first_step=3), 20)
    for told, batch in zip(rows, take(training_stream(pixels, targets, config(), first_step=3), 20), strict=True):
        assert told.tolist() == numbers(batch)


def test_published_validation_is_drawn_anew_every_epoch() -> None:
    told = [list(published_rows(IMAGES, 30, config(), epoch).as_numpy_iterator()) for epoch in range(3)]
    assert len(set(map(tuple, told))) == 3
    under_way = iter((0, 1, 2, 2))
    rows = published_validation_rows(IMAGES, 30, config(), lambda: next(under_way), batch=20)
    drawn = [list(chain(*(batch.tolist() for batch in rows.as_numpy_iterator()))) for _ in range(4)]
    assert len(rows) == 2
    assert drawn == [*told, told[2]]


@pytest.mark.parametrize(("protocol", "told"), [("sound", 1.08), ("published", 1.0)])
def test_the_published_crop_crops_nothing(protocol: str, told: float) -> None:
    assert augmentation_policy(config(augmentation="extended", protocol=protocol)).crop == told


@pytest.mark.parametrize("replicas", [2, 3, 8])
def test_no_replica_is_left_without_an_image(replicas: int) -> None:
    for images in range(3 * replicas, 1500):
        batch = evaluation_batch_size(images, replicas)
        assert batch <= EVALUATION_BATCH_SIZE
        assert batch % replicas == 0
        assert images % batch == 0 or images % batch >= replicas


def test_too_few_images_for_the_devices_are_told() -> None:
    with pytest.raises(DatasetError, match="5 validation images can't be split among 2 devices"):
        evaluation_batch_size(5, 2)
