"""The sources of batches for a compiled loop: tf.data on the host, or images in the device's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.config.protocol import PROTOCOLS
from core.data.pipeline import (
    HOST,
    evaluation_batch_maker,
    evaluation_rows,
    make_batches,
    published_validation_rows,
    training_batch_maker,
    training_rows,
    training_stream,
)
from core.data.training_data import class_weights

if TYPE_CHECKING:
    import tensorflow as tf

    from core.config.training_config import TrainingConfig
    from core.data.pipeline import BatchMaker
    from core.data.training_data import TrainingData
    from core.training.auto_settings import AutoSettings
    from core.training.devices import Devices
    from core.training.plan import Plan


class Feed(Protocol):
    """Batches for a compiled function that runs many steps per call.

    Attributes:
        signature: the signature of the arguments that `take` returns; None infers it from the first arguments.
    """

    signature: Any

    def begin(self) -> None:
        """Go to the first batch. Call it once for an endless stream, otherwise before every pass."""
        ...

    def take(self, steps: int, pad_to: int = 0) -> tuple[Any, ...]:
        """Return the compiled function's arguments for the next batches.

        Args:
            steps: the number of batches, all of the same size.
            pad_to: pad the arguments to the shape for this number of batches, so that XLA compiles only one program.
        """
        ...

    def batch(self, number: tf.Tensor, *arguments: Any) -> Any:
        """Return one batch; the compiled function calls this while it is traced.

        Args:
            number: the index of the batch among those of `take`, int32, counted from 0.
            arguments: the result of `take`.
        """
        ...


class HostFeed:
    """Batches made by tf.data on the host and copied to the device at the start of each step."""

    signature = None

    def __init__(self, batches: Any) -> None:
        """`batches` is a tf.data.Dataset or a distributed dataset."""
        self._batches = batches
        self._iterator: Any = None

    def begin(self) -> None:
        """See `Feed.begin`."""
        self._iterator = iter(self._batches)

    def take(self, steps: int, pad_to: int = 0) -> tuple[Any, ...]:
        """Return the iterator, from which the compiled function takes the batches."""
        return (self._iterator,)

    def batch(self, number: tf.Tensor, *arguments: Any) -> Any:
        """See `Feed.batch`."""
        return next(arguments[0])


class _Rows:
    """Batches of row indices with their random key."""

    def __init__(self, rows: tf.data.Dataset, seed: int, first_step: int) -> None:
        # More batches than one call uses.
        self._rows = rows.prefetch(512)
        self._seed = seed
        self._first_step = self._step = first_step
        self._iterator: Iterator[np.ndarray] = iter(())

    def begin(self) -> None:
        self._iterator = self._rows.as_numpy_iterator()
        self._step = self._first_step

    def take(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.stack(list(islice(self._iterator, steps))).astype(np.int32)
        step, self._step = self._step, self._step + steps
        return rows, np.array([self._seed, step], np.int64)


class DeviceFeed:
    """Batches that the compiled function makes from images in the device's memory.

    Only row indices and the random key are copied to the device, so that runs with different seeds share a program.
    """

    def __init__(self, rows: tf.data.Dataset, make_batch: BatchMaker, seed: int = 0, first_step: int = 0) -> None:
        """Store the arguments.

        Args:
            rows: batches of row indices, int64 of shape (batch,).
            make_batch: makes a batch from images in the device's memory.
            seed: the run's seed.
            first_step: the number of the first batch.
        """
        import tensorflow as tf

        self._rows = _Rows(rows, seed, first_step)
        self._make_batch = make_batch
        self.signature = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((2,), tf.int64)

    def begin(self) -> None:
        """See `Feed.begin`."""
        self._rows.begin()

    def take(self, steps: int, pad_to: int = 0) -> tuple[Any, ...]:
        """Return row indices, int32 of shape (steps or pad_to, batch), and the key of the first batch."""
        import tensorflow as tf

        rows, key = self._rows.take(steps)
        if pad_to:
            rows = np.pad(rows, ((0, pad_to - steps), (0, 0)))
        return tf.constant(rows), tf.constant(key)

    def batch(self, number: tf.Tensor, *arguments: Any) -> Any:
        """See `Feed.batch`."""
        import tensorflow as tf

        rows, first_key = arguments
        return self._make_batch(first_key + tf.stack([0, tf.cast(number, tf.int64)]), rows[number])


class EagerFeed:
    """Batches made eagerly before each call, one per call: the `DeviceFeed` for a CPU.

    Inside a compiled function TensorFlow reorders the arithmetic of the augmentation, but tf.data does not. Eagerly
    made batches are bit-identical to those of a `HostFeed`.
    """

    def __init__(self, rows: tf.data.Dataset, make_batch: BatchMaker, seed: int = 0, first_step: int = 0) -> None:
        """See `DeviceFeed`."""
        import tensorflow as tf

        self._rows = _Rows(rows, seed, first_step)
        self._make_batch = make_batch
        key, some_rows = tf.TensorSpec((2,), tf.int64), tf.TensorSpec((None,), tf.int32)
        batch = tf.function(make_batch, autograph=False).get_concrete_function(key, some_rows).structured_outputs
        self.signature = tuple(tf.TensorSpec.from_tensor(part) for part in batch)

    def begin(self) -> None:
        """See `Feed.begin`."""
        self._rows.begin()

    def take(self, steps: int, pad_to: int = 0) -> tuple[Any, ...]:
        """Return the next batch."""
        import tensorflow as tf

        rows, key = self._rows.take(1)
        return self._make_batch(tf.constant(key), tf.constant(rows[0]))

    def batch(self, number: tf.Tensor, *arguments: Any) -> Any:
        """See `Feed.batch`."""
        return arguments


def training_feed(
    config: TrainingConfig, data: TrainingData, plan: Plan, used: Devices, auto: AutoSettings, epochs_done: int
) -> Feed:
    """Return the endless training batches that follow `epochs_done` epochs."""
    pixels, targets, stream = data.train.values, data.targets(data.train), plan.stream_arguments(epochs_done)
    weights = class_weights(config.class_weights, targets)
    if auto.feed == "host":
        return HostFeed(used.distribute(training_stream(pixels, targets, config, class_weights=weights, **stream)))
    make_batch = training_batch_maker(pixels, targets, config, weights, device=used.names[0], compiled=auto.jit_compile)
    own_feed = DeviceFeed if used.on_gpu or auto.jit_compile else EagerFeed
    return own_feed(training_rows(len(pixels), config, **stream), make_batch, config.seed, stream["first_step"])


def validation_feed(
    config: TrainingConfig, data: TrainingData, plan: Plan, used: Devices, auto: AutoSettings, epoch: Callable[[], int]
) -> Feed:
    """Return the validation batches of an epoch, as the protocol defines them.

    Args:
        config: the run's settings.
        data: the data, including the whole validation split.
        plan: the number of validation images and the validation batch size.
        used: the run's devices.
        auto: where the images are stored.
        epoch: a function that returns the number of the current epoch, counted from 0.
    """
    import tensorflow as tf

    pixels, targets, on_device = data.validation.values, data.validation_targets(), auto.feed == "device"
    make_batch = evaluation_batch_maker(
        pixels, targets, config.image_size, config.channels, device=used.names[0] if on_device else HOST
    )
    if PROTOCOLS[config.protocol].has_own_steps:
        rows = published_validation_rows(len(pixels), plan.val_images, config, epoch, plan.val_batch_size)
    else:
        rows = evaluation_rows(len(pixels), plan.val_batch_size)
    # Every epoch creates a new iterator, and closing an iterator with autotuning takes up to ten seconds.
    options = tf.data.Options()
    options.autotune.enabled = False
    rows = rows.with_options(options)
    if not on_device:
        return HostFeed(used.distribute(make_batches(rows, make_batch)))
    return DeviceFeed(rows, make_batch) if used.on_gpu else EagerFeed(rows, make_batch)
