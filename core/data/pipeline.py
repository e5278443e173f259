"""Make batches from decoded pixels: select, order and augment the images.

A `tf.data.Dataset` of row indices (`*_rows`) selects the images. A batch maker (`training_batch_maker`,
`evaluation_batch_maker`) makes a batch from row indices. TensorFlow traces it to a graph. `make_batches` combines the
two on the host. A training loop may run both on a GPU instead.

All randomness depends only on the seed and the step, so that a resumed run can start the training stream at any step
and get exactly the same batches. Decoded images are uint8, in memory or in a memory-mapped file (`core.data.pixels`).
An epoch never decodes a file.
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
# The device that runs tf.data.
HOST = "CPU:0"


class BatchMaker(Protocol):
    """A function that makes a batch and can be traced by TensorFlow.

    Equal keys and rows give equal batches on every device.
    """

    def __call__(self, key: tf.Tensor, rows: tf.Tensor) -> Any:
        """Make a batch.

        Args:
            key: the seed of the batch, int64, shape (2,): the run's seed, and the batch's number in the stream. It
                determines all random numbers of the batch.
            rows: the images' row indices, shape (batch,).

        Returns:
            images, (images, targets) or (images, targets, weights), all float32. The images have the shape
            (batch, size, size, channels) and values from 0 to 255. The targets have the shape (batch, classes). The
            weights have the shape (batch,).
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
    """Return a function that gathers the images of a training batch and augments them by seed and step.

    Args:
        pixels: uint8, shape (images, height, width, 1 or 3), from `core.data.pixels.load_pixels`.
        targets: float32, shape (images, classes), one-hot or shares of votes.
        config: the run's settings. Only augmentation, protocol, image_size and channels are used.
        class_weights: float32, shape (classes,); with them, each batch has sample weights: the mean of the class
            weights, weighted by the image's targets.
        device: TensorFlow's name of the device whose memory holds images and targets.
        compiled: whether XLA will compile the function.
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
    """Return a function that makes a batch for validation or prediction, without augmentation.

    Args:
        pixels: uint8, shape (images, height, width, 1 or 3).
        targets: float32, shape (images, classes); None for prediction, where a batch has images only.
        image_size: the model's input size in pixels.
        channels: the model's input channels.
        flip: flip all images horizontally.
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
    """Make the batches for a `tf.data.Dataset` of row indices, and prefetch them on the host.

    Args:
        rows: batches of row indices, int64 of shape (batch,).
        make_batch: makes a batch from row indices. Its images and targets must be in the host's memory.
        seed: the run's seed.
        first_step: the number of the first batch.
    """
    import tensorflow as tf

    @tf.autograph.experimental.do_not_convert
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
    """Return an infinite stream of training batches, made on the host.

    See `training_rows` and `training_batch_maker` for the arguments.
    """
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
    """Return batches of all images without shuffling, made on the host.

    See `evaluation_rows` and `evaluation_batch_maker` for the arguments.
    """
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
    """Return batches of row indices for training, int64 of shape (batch,), repeated indefinitely.

    Args:
        images: the number of images.
        config: the run's settings. Only batch_size and seed are used.
        first_step: the number of batches to skip, because an earlier session trained on them.
        shuffle_buffer: the size of the shuffle buffer; None shuffles all images in each pass.
        drop_remainder: drop the last, smaller batch of each pass.
    """
    import tensorflow as tf

    batch = min(config.batch_size, images)
    steps = steps_per_pass(images, batch, drop_remainder=drop_remainder)

    @tf.autograph.experimental.do_not_convert
    def one_pass(number: Any) -> tf.data.Dataset:
        return _shuffle_rows(images, shuffle_buffer, _pass_seed(config, number)).batch(batch, drop_remainder)

    passes = tf.data.Dataset.range(first_step // steps, np.iinfo(np.int64).max)
    return passes.flat_map(one_pass).skip(first_step % steps)


def evaluation_rows(images: int, batch: int = EVALUATION_BATCH_SIZE) -> tf.data.Dataset:
    """Return batches of the row indices of all images, int64 of shape (batch,), without shuffling."""
    import tensorflow as tf

    return tf.data.Dataset.range(images).batch(batch)


def published_rows(images: int, taken: int, config: TrainingConfig, epoch: Any) -> tf.data.Dataset:
    """Return the rows that the published protocol validates on in an epoch: the first rows after shuffling.

    Args:
        images: the number of images in the split, which are listed class by class.
        taken: the number of images to validate on.
        config: the run's settings. Only seed and protocol are used.
        epoch: the epoch's number from 0, an int or a tensor.
    """
    return _shuffle_rows(images, PROTOCOLS[config.protocol].shuffle_buffer, _pass_seed(config, epoch)).take(taken)


def published_validation_rows(
    images: int, taken: int, config: TrainingConfig, epoch: Callable[[], int], batch: int = EVALUATION_BATCH_SIZE
) -> tf.data.Dataset:
    """Return batches of the row indices that the published protocol validates on, reshuffled at each iteration.

    Args:
        images: the number of images in the split, which are listed class by class.
        taken: the number of images to validate on.
        config: the run's settings. Only seed and protocol are used.
        epoch: returns the current epoch's number, from 0.
        batch: the batch size.
    """
    import tensorflow as tf

    # Each epoch iterates this dataset again. A generator runs again each time, and so reads the current epoch's number.
    epochs = tf.data.Dataset.from_generator(lambda: iter([epoch()]), output_signature=tf.TensorSpec((), tf.int64))
    rows = epochs.flat_map(lambda number: published_rows(images, taken, config, number).batch(batch))
    return rows.apply(tf.data.experimental.assert_cardinality(steps_per_pass(taken, batch)))


def _shuffle_rows(images: int, buffer: int | None, seed: Any) -> tf.data.Dataset:
    """Return shuffled row indices. Equal seeds, ints or tensors, give the same order."""
    import tensorflow as tf

    return tf.data.Dataset.range(images).shuffle(buffer or images, seed=seed, reshuffle_each_iteration=False)


def _pass_seed(config: TrainingConfig, number: Any) -> Any:
    return config.seed * 1_000_003 + number


def evaluation_batch_size(images: int, replicas: int) -> int:
    """Return the largest batch size, up to EVALUATION_BATCH_SIZE, that gives each replica an image of every batch.

    TensorFlow splits a batch among the replicas, and fails if a replica gets no image. Keras fails if the first batch
    can't be split evenly.

    Raises:
        DatasetError: there are too few images for the number of devices.
    """
    if replicas == 1:
        return EVALUATION_BATCH_SIZE
    for batch in range(min(EVALUATION_BATCH_SIZE, images) // replicas * replicas, 0, -replicas):
        if images % batch == 0 or images % batch >= replicas:
            return batch
    raise DatasetError(
        f"{images} validation images can't be split among {replicas} devices; set devices to auto to use a single one"
    )


def _channels(values: tf.Tensor, channels: int) -> tf.Tensor:
    """Repeat a grey channel three times if the model has colour input.

    This is the last step of a batch, so that the steps before it process one channel instead of three.
    """
    import tensorflow as tf

    return values if values.shape[-1] == channels else tf.repeat(values, channels, axis=-1)


def _make_row_reader(pixels: np.ndarray, device: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function that reads the images of given rows from a tensor or from the memory-mapped file."""
    import tensorflow as tf

    if not isinstance(pixels, np.memmap) or device != HOST:
        everything = _to_device(pixels, device)
        return lambda rows: tf.gather(everything, rows)

    def read(rows: tf.Tensor) -> tf.Tensor:
        found = tf.numpy_function(lambda wanted: read_rows(pixels, wanted), [rows], tf.uint8, stateful=False)
        return tf.ensure_shape(found, (None, *pixels.shape[1:]))

    return read


def _to_device(values: np.ndarray, device: str) -> tf.Tensor:
    """Return the array as a tensor in the device's memory."""
    import tensorflow as tf

    with tf.device(device):
        return tf.constant(values)
