"""Builds a compiled Keras model from a config: input, preprocessing, body and last layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.augmentation import augmentation_policy
from core.data.augmentation_layers import augmentation_layers
from core.data.pixels import read_rows
from core.models.body_options import BodyOptions
from core.models.registry import find_model

if TYPE_CHECKING:
    import keras

    from core.config.training_config import TrainingConfig


@dataclass(frozen=True)
class PixelStatistics:
    """Mean and variance of the training pixels per channel, on the scale 0-255."""

    mean: tuple[float, ...]
    variance: tuple[float, ...]


def pixel_statistics(pixels: np.ndarray, channels: int, chunk: int = 4096) -> PixelStatistics:
    """Compute the statistics of a uint8 array of shape (images, height, width, stored channels) in one pass.

    Grayscale images give the same statistics for each of the model's channels.
    """
    total = np.zeros(pixels.shape[-1])
    squares = np.zeros(pixels.shape[-1])
    for start in range(0, len(pixels), chunk):
        part = read_rows(pixels, slice(start, start + chunk)).astype(np.float64)
        total += part.sum(axis=(0, 1, 2))
        squares += np.square(part).sum(axis=(0, 1, 2))
    count = math.prod(pixels.shape[:3])
    mean = total / count
    variance = np.maximum(squares / count - np.square(mean), 1e-6)
    repeat = channels // len(mean)
    return PixelStatistics(tuple(np.tile(mean, repeat).tolist()), tuple(np.tile(variance, repeat).tolist()))


def build_model(
    config: TrainingConfig,
    num_classes: int,
    *,
    statistics: PixelStatistics | None = None,
    prior: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    synchronized: bool = False,
) -> keras.Model:
    """Build a config's model, including the preprocessing layers.

    Args:
        config: model, input, width, normalization, precision and so on. Pretrained weights are not loaded here.
        num_classes: the number of outputs.
        statistics: the statistics of the training pixels; required for `normalization = dataset`.
        prior: the class frequencies in train, in output order; required for `output_bias = prior`.
        names: the classes in output order. The last layer's kernel is drawn for the classes in alphabetical order and
            then reordered to `names`. Each class therefore starts with the same weights at every position, and runs
            that differ only in the encoding start from the same function.
        synchronized: whether batch normalization computes its statistics over all devices.

    Returns:
        A model with input pixels 0-255 of shape (batch, image_size, image_size, channels) and float32 probabilities
        of shape (batch, num_classes). It has only Keras's own layers, so that a saved model loads in safe mode.
    """
    import keras

    spec = find_model(config.model)
    options = BodyOptions(
        config.width, config.dropout, config.l2, synchronized, config.variant, config.weights is not None
    )
    inputs = keras.Input((config.image_size, config.image_size, config.channels), name="pixels")
    pixels = inputs
    if spec.augments:
        extended = augmentation_policy(config.model_copy(update={"augmentation": "extended"}))
        pixels = augmentation_layers(extended, config.image_size)(inputs)
    features = spec.load_builder()(_preprocess(pixels, config, statistics), options)
    if config.output_bias == "prior":
        assert prior is not None
        bias: Any = keras.initializers.Constant(np.log(np.maximum(prior, 1e-8)).astype(np.float32).tolist())
    else:
        bias = "zeros"
    if spec.has_conv_head:
        last = keras.layers.Conv2D(
            num_classes, 3, padding="same", bias_initializer=bias, dtype="float32", name="scores"
        )
        pooled = keras.layers.GlobalAveragePooling2D(dtype="float32")(last(features))
        outputs = keras.layers.Softmax(dtype="float32", name="probabilities")(pooled)
    else:
        last = keras.layers.Dense(
            num_classes,
            activation="softmax",
            bias_initializer=bias,
            kernel_regularizer=options.regularizer(),
            dtype="float32",
            name="probabilities",
        )
        outputs = last(features)
    model = keras.Model(inputs, outputs, name=config.model)
    if names is not None:
        drawn, first = last.get_weights()
        last.set_weights([drawn[..., [sorted(names).index(name) for name in names]], first])
    return model


def _preprocess(inputs: Any, config: TrainingConfig, statistics: PixelStatistics | None) -> Any:
    """Apply the config's normalization to pixels 0-255."""
    import keras

    if config.normalization == "none":
        return inputs
    if config.normalization == "scale":
        return keras.layers.Rescaling(1 / 255, name="scale")(inputs)
    if config.normalization == "per_image":
        return keras.layers.LayerNormalization(
            axis=(1, 2, 3), center=False, scale=False, epsilon=1e-3, dtype="float32", name="per_image"
        )(inputs)
    assert statistics is not None
    return keras.layers.Normalization(
        mean=list(statistics.mean), variance=list(statistics.variance), dtype="float32", name="dataset"
    )(inputs)


def compile_model(model: keras.Model, config: TrainingConfig, steps_per_epoch: int) -> None:
    """Compile a model with its loss, metrics and optimizer.

    Args:
        model: the result of `build_model`.
        config: optimizer, schedule, label smoothing and votes.
        steps_per_epoch: the steps of an epoch, for schedules.
    """
    import keras

    model.compile(
        optimizer=_optimizer(config, steps_per_epoch),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy("accuracy"), *_precision_and_recall(config)],
        # The training loop compiles the steps itself.
        jit_compile=False,
    )


def _precision_and_recall(config: TrainingConfig) -> list[keras.metrics.Metric]:
    """Return Keras's precision and recall. For votes, the class with the largest share is the only true class."""
    import keras

    if config.votes != "soft":
        return [keras.metrics.Precision(name="precision"), keras.metrics.Recall(name="recall")]

    def one_hot(shares: Any) -> Any:
        return keras.ops.one_hot(keras.ops.argmax(shares, axis=-1), shares.shape[-1])

    # Keras's own take every share above 0 for a true class.
    class Precision(keras.metrics.Precision):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            super().update_state(one_hot(y_true), y_pred, sample_weight)

    class Recall(keras.metrics.Recall):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            super().update_state(one_hot(y_true), y_pred, sample_weight)

    return [Precision(name="precision"), Recall(name="recall")]


def _optimizer(config: TrainingConfig, steps: int) -> keras.optimizers.Optimizer:
    import keras

    rate: Any = config.learning_rate
    if config.schedule == "cosine":
        warmup = round(config.warmup_epochs * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else config.learning_rate,
            decay_steps=max(config.epochs * steps - warmup, 1),
            warmup_target=config.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    # Average over at most one epoch. With few images the weights of the first steps would count for many epochs.
    average = {"use_ema": config.ema > 0, "ema_momentum": min(config.ema, 1 - 1 / steps)}
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=config.momentum, nesterov=config.momentum > 0, **average)
    return keras.optimizers.Adam(rate, beta_1=config.beta_1, beta_2=config.beta_2, epsilon=config.epsilon, **average)


def build_symbolic_model(config: TrainingConfig, classes: int) -> keras.Model:
    """Build a config's model without memory for its weights, to count parameters and operations.

    The model belongs to a separate graph, in which variables have a shape but no value.
    """
    import tensorflow as tf

    unscaled = PixelStatistics((0.0,) * config.channels, (1.0,) * config.channels)
    with tf.Graph().as_default():
        return build_model(config, classes, statistics=unscaled, prior=np.full(classes, 1 / classes))


def count_parameters(config: TrainingConfig, num_classes: int) -> int:
    """Count the weights of a config's model, including non-trainable weights."""
    return int(build_symbolic_model(config, num_classes).count_params())


def count_macs(model: keras.Model) -> int:
    """Count the multiply-accumulates of one image's forward pass in convolutions, dense layers and nested models."""
    import keras

    counted = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            counted += count_macs(layer)
        elif isinstance(layer, keras.layers.SeparableConv2D):
            places = math.prod(layer.output.shape[1:-1])
            counted += places * (math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape))
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.Dense):
            # Each kernel weight is used once per output position.
            counted += math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    return counted
