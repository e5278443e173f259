"""From decoded pixels to batches: which images, in what order, and how they are augmented.

Which images is a data set of row numbers (`*_rows`), how their batch is made a function for a graph (`augmented`,
`unaugmented`). `batches` brings the two together on the host; a training loop may run both on a GPU instead.

Everything random is a function of (seed, step), so that a training stream can be taken up at any step: that
is what an exact resume stands on. Decoded images are uint8, in memory or mapped from a file (`core.data.pixels`); an
epoch never decodes a file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.config.protocol import PROTOCOLS, steps_per_pass
from core.data.augmentation import augmentation_policy, build_augmenter
from core.data.pixels import read_rows
from core.data.resampling import resize
from core.errors import DatasetError

if TYPE_CHECKING:
    import tensorflow as tf

    from core.config.training_config import TrainingConfig

EVALUATION_BATCH_SIZE = 256
# Where tf.data works.
HOST = "CPU:0"


class BatchMaker(Protocol):
    """A batch of some images, as a graph makes it: the same one for the same key and rows, wherever it runs."""

    def __call__(self, key: tf.Tensor, rows: tf.Tensor) -> Any:
        """Make a batch.

        Args:
            key: the run's seed and the number of the batch in the stream, int64, shape (2,): what is random in the
                batch is a function of them.
            rows: which images, shape (batch,).

        Returns:
            images, (images, targets) or (images, targets, weights): float32 of shape (batch, size, size, channels)
            with values 0 to 255, (batch, classes) and (batch,).
        """
        ...


def training_batch_maker(
    pixels: np.ndarray,
    targets: np.ndarray,
    config: TrainingConfig,
    class_weights: np.ndarray | None = None,
    *,
    device: str = HOST,
    compiled: bool = False,
) -> BatchMaker:
    """How a training batch is made: gathered, augmented as a function of seed and step.

    Args:
        pixels: uint8, shape (images, height, width, 1 or 3), as `core.data.pixels.load_pixels` gives them.
        targets: float32, shape (images, classes), one-hot.
        config: augmentation, image size and channels.
        class_weights: float32, shape (classes,); each batch then has weights.
        device: TensorFlow's name of the device whose memory holds images and targets.
        compiled: whether XLA is to compile it.
    """
    import tensorflow as tf

    augment = build_augmenter(augmentation_policy(config), config.image_size, compiled=compiled)
    pixels_of, all_targets = _make_row_reader(pixels, device), _to_device(targets, device)
    weights = None if class_weights is None else _to_device(class_weights.astype(np.float32), device)

    def make_batch(key: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, ...]:
        values = _channels(augment(pixels_of(rows), tf.cast(key, tf.int32)), config.channels)
        wanted = tf.gather(all_targets, rows)
        return (values, wanted) if weights is None else (values, wanted, tf.linalg.matvec(wanted, weights))

    return make_batch


def evaluation_batch_maker(
    pixels: np.ndarray,
    targets: np.ndarray | None,
    image_size: int,
    channels: int,
    *,
    flip: bool = False,
    device: str = HOST,
) -> BatchMaker:
    """How a batch to validate on or to predict is made.

    Args:
        pixels: uint8, shape (images, height, width, 1 or 3).
        targets: float32, shape (images, classes), or None for prediction: a batch is then images alone.
        image_size: the model's input size in pixels.
        channels: the model's input channels.
        flip: give each image's mirror image instead.
        device: TensorFlow's name of the device whose memory holds images and targets.
    """
    import tensorflow as tf

    pixels_of = _make_row_reader(pixels, device)
    all_targets = None if targets is None else _to_device(targets, device)

    def make_batch(key: tf.Tensor, rows: tf.Tensor) -> Any:
        read = pixels_of(rows)
        values = _channels(resize(tf.reverse(read, [2]) if flip else read, image_size), channels)
        return values if all_targets is None else (values, tf.gather(all_targets, rows))

    return make_batch


def make_batches(rows: tf.data.Dataset, make_batch: BatchMaker, seed: int = 0, first_step: int = 0) -> tf.data.Dataset:
    """The batches that batches of row numbers mean, made ahead on the host.

    Args:
        rows: row numbers, int64 of shape (batch,).
        make_batch: with what it needs in the host's memory.
        seed: of the run.
        first_step: number of the first batch.
    """
    import tensorflow as tf

    def numbered(step: tf.Tensor, rows: tf.Tensor) -> Any:
        return make_batch(tf.stack([tf.constant(seed, tf.int64), step]), rows)

    made = rows.enumerate(start=first_step).map(numbered, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return made.prefetch(tf.data.AUTOTUNE)


def training_stream(
    pixels: np.ndarray,
    targets: np.ndarray,
    config: TrainingConfig,
    *,
    first_step: int = 0,
    shuffle_buffer: int | None = None,
    class_weights: np.ndarray | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """An endless stream of training batches, made on the host; see `training_rows` and `augmented`."""
    rows = training_rows(
        len(pixels), config, first_step=first_step, shuffle_buffer=shuffle_buffer, drop_remainder=drop_remainder
    )
    return make_batches(rows, training_batch_maker(pixels, targets, config, class_weights), config.seed, first_step)


def evaluation_batches(
    pixels: np.ndarray,
    targets: np.ndarray | None,
    image_size: int,
    channels: int,
    batch: int = EVALUATION_BATCH_SIZE,
    *,
    flip: bool = False,
) -> tf.data.Dataset:
    """The images in their order in large batches, made on the host; see `evaluation_rows` and `unaugmented`."""
    make_batch = evaluation_batch_maker(pixels, targets, image_size, channels, flip=flip)
    return make_batches(evaluation_rows(len(pixels), batch), make_batch)


def training_rows(
    images: int,
    config: TrainingConfig,
    *,
    first_step: int = 0,
    shuffle_buffer: int | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """What is trained on: batches of row numbers, int64 of shape (batch,), pass after pass without end.

    Args:
        images: how many there are.
        config: batch size and seed.
        first_step: how many batches of the stream have been trained on before.
        shuffle_buffer: None shuffles every pass over all images; a number shuffles with a buffer of so many.
        drop_remainder: leave out a pass's last, smaller batch.
    """
    import tensorflow as tf

    batch = min(config.batch_size, images)
    steps = steps_per_pass(images, batch, drop_remainder=drop_remainder)

    def one_pass(number: Any) -> tf.data.Dataset:
        return _shuffle_rows(images, shuffle_buffer, _pass_seed(config, number)).batch(batch, drop_remainder)

    passes = tf.data.Dataset.range(first_step // steps, np.iinfo(np.int64).max)
    return passes.flat_map(one_pass).skip(first_step % steps)


def evaluation_rows(images: int, batch: int = EVALUATION_BATCH_SIZE) -> tf.data.Dataset:
    """All images in their order: batches of row numbers, int64 of shape (batch,)."""
    import tensorflow as tf

    return tf.data.Dataset.range(images).batch(batch)


def published_rows(images: int, taken: int, config: TrainingConfig, epoch: Any) -> tf.data.Dataset:
    """The rows that the published protocol validates on in an epoch: the first ones of the shuffle buffer.

    Args:
        images: of the whole split, listed class by class.
        taken: how many are validated on.
        config: the seed.
        epoch: counted from 0; a tensor too.
    """
    return _shuffle_rows(images, PROTOCOLS[config.protocol].shuffle_buffer, _pass_seed(config, epoch)).take(taken)


def published_validation_rows(
    images: int, taken: int, config: TrainingConfig, epoch: Callable[[], int], batch: int = EVALUATION_BATCH_SIZE
) -> tf.data.Dataset:
    """What the published protocol validates on: batches of row numbers, drawn anew whenever they are iterated.

    Args:
        images: of the whole split, listed class by class.
        taken: how many are validated on.
        config: the seed.
        epoch: gives the number of the epoch under way, counted from 0.
        batch: images a batch.
    """
    import tensorflow as tf

    # It is iterated anew every epoch: a generator is what can then ask for its number.
    epochs = tf.data.Dataset.from_generator(lambda: iter([epoch()]), output_signature=tf.TensorSpec((), tf.int64))
    rows = epochs.flat_map(lambda number: published_rows(images, taken, config, number).batch(batch))
    return rows.apply(tf.data.experimental.assert_cardinality(steps_per_pass(taken, batch)))


def _shuffle_rows(images: int, buffer: int | None, seed: Any) -> tf.data.Dataset:
    """Row numbers in an order that is a function of the seed, a tensor: the same whenever it is asked for."""
    import tensorflow as tf

    return tf.data.Dataset.range(images).shuffle(buffer or images, seed=seed, reshuffle_each_iteration=False)


def _pass_seed(config: TrainingConfig, number: Any) -> Any:
    return config.seed * 1_000_003 + number


def evaluation_batch_size(images: int, replicas: int) -> int:
    """The largest batch size, up to EVALUATION_BATCH_SIZE, that gives every replica an image of every batch.

    TensorFlow shares a batch out over the replicas and fails where one gets none; Keras fails where the first
    batch can't be shared evenly.

    Raises:
        DatasetError: there are too few images for so many devices.
    """
    if replicas == 1:
        return EVALUATION_BATCH_SIZE
    for batch in range(min(EVALUATION_BATCH_SIZE, images) // replicas * replicas, 0, -replicas):
        if images % batch == 0 or images % batch >= replicas:
            return batch
    raise DatasetError(
        f"{images} validation images can't be shared out over {replicas} devices; use one: set devices to auto"
    )


def _channels(values: tf.Tensor, channels: int) -> tf.Tensor:
    """Grey repeated to three channels where the model wants colour; last, so that all before it costs a third."""
    import tensorflow as tf

    return values if values.shape[-1] == channels else tf.repeat(values, channels, axis=-1)


def _make_row_reader(pixels: np.ndarray, device: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """What gives the images of some rows: out of a tensor, or out of the file that they are mapped from."""
    import tensorflow as tf

    if not isinstance(pixels, np.memmap) or device != HOST:
        everything = _to_device(pixels, device)
        return lambda rows: tf.gather(everything, rows)

    def read(rows: tf.Tensor) -> tf.Tensor:
        found = tf.numpy_function(lambda wanted: read_rows(pixels, wanted), [rows], tf.uint8, stateful=False)
        return tf.ensure_shape(found, (None, *pixels.shape[1:]))

    return read


def _to_device(values: np.ndarray, device: str) -> tf.Tensor:
    """The array as a tensor in that device's memory."""
    import tensorflow as tf

    with tf.device(device):
        return tf.constant(values)
