"""Estimates of an epoch's duration on this machine, from past runs or from a short matrix multiplication test."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from core.config.protocol import PROTOCOLS
from core.config.training_config import TrainingConfig
from core.models.registry import MODELS
from core.runs.reader import RunSnapshot

# A training step is one forward pass and two backward passes of the same size, for the weights and for the inputs.
TRAINING_PASSES = 3
# Training speed relative to a plain matrix product. Measured on two CPU cores: 0.19 to 0.35, depending on the model.
SHARE_OF_PRODUCT = 0.25
_STACK, _SIDE = 16, 64
_MEASURED_SECONDS = 0.2


@dataclass(frozen=True)
class Pace:
    """The training speed of this machine.

    Attributes:
        seconds_per_mac: seconds for one multiply-accumulate.
        basis: where the number comes from.
    """

    seconds_per_mac: float
    basis: str


def epoch_macs(config: TrainingConfig, train: int, validation: int) -> float:
    """Return the multiply-accumulates of an epoch, including validation.

    The result scales with the square of the image size and of the width. This is exact only for convolutions.

    Args:
        config: the run's settings.
        train: the number of images in the train split, before the config's `limit`.
        validation: the number of images in the validation split.
    """
    spec = MODELS[config.model]
    images = min(train, config.limit or train)
    protocol, batch, divisor = PROTOCOLS[config.protocol], config.batch_size, spec.published_divisor
    if protocol.has_own_steps:
        images = protocol.steps_per_epoch(images, batch, divisor) * batch
    validation = protocol.validation_image_count(validation, batch, divisor)
    an_image = spec.macs * (config.image_size / spec.image_size) ** 2 * config.width**2
    return an_image * (TRAINING_PASSES * images + validation)


def epoch_seconds(config: TrainingConfig, counts: Mapping[str, Mapping[str, int]], pace: Pace) -> float:
    """Return the seconds that an epoch takes.

    Args:
        config: the run's settings.
        counts: the number of images by split and class.
        pace: the machine's training speed.
    """
    return pace.seconds_per_mac * epoch_macs(config, *train_validation_counts(counts, config.validation_share))


def train_validation_counts(counts: Mapping[str, Mapping[str, int]], validation_share: float) -> tuple[int, int]:
    """Return the number of training images and of validation images.

    Args:
        counts: the result of `core.data.dataset.counts_by_split`.
        validation_share: the fraction of train used for validation if there is no validation split.
    """
    images = {split: sum(classes.values()) for split, classes in counts.items()}
    train = images.get("train", 0) or images.get("all", 0)
    validation = images.get("validation", 0) or round(train * validation_share)
    return train - (0 if images.get("validation") else validation), validation


def past_pace(config: TrainingConfig, runs: Iterable[RunSnapshot]) -> Pace | None:
    """Return the pace of the newest past run on this host and the same devices.

    Args:
        config: the run's settings. Runs of the same model are preferred.
        runs: past runs, newest first.

    Returns:
        None if there is no such run.
    """
    others: Pace | None = None
    for run in runs:
        pace = _pace_of(run) if run.config.get("devices") == config.devices else None
        if pace is not None and run.model == config.model:
            return Pace(pace, "from a past run of this model here")
        if pace is not None and others is None:
            others = Pace(pace, f"from a past run of {run.model} here")
    return others


def _pace_of(run: RunSnapshot) -> float | None:
    """Return a run's seconds per multiply-accumulate; None for another host or if its files lack the numbers."""
    if run.environment.get("host") != platform.node() or run.model not in MODELS:
        return None
    # The first epoch also traces the graph.
    seconds = [row["seconds"] for row in run.history[1:] or run.history if row["seconds"] > 0]
    train, validation = run.environment.get("train_images"), run.environment.get("validation_images")
    if not seconds or not train or train < 0 or validation is None:
        return None
    try:
        config = TrainingConfig.model_validate(dict(run.config))
    except ValueError:
        return None
    return median(seconds) / epoch_macs(config, train, validation)


def measure_pace() -> Pace:
    """Estimate the pace from matrix products on the CPU. Takes 0.2 seconds; call it in a worker thread."""
    import numpy as np

    # The matrices are so small that BLAS uses one core. On a busy machine several threads wait for each other, which
    # takes twenty times as long.
    left = np.ones((_STACK, _SIDE, _SIDE), np.float32)
    product = left @ left
    until, best = time.perf_counter() + _MEASURED_SECONDS, float("inf")
    while (began := time.perf_counter()) < until:
        np.matmul(left, left, out=product)
        best = min(best, time.perf_counter() - began)
    seconds = best / (_STACK * _SIDE**3 * (os.cpu_count() or 1))
    return Pace(seconds / SHARE_OF_PRODUCT, "from a short test of this CPU (no past run here)")


def approximate_duration(seconds: float) -> str:
    """Format an estimated duration, such as `~5 s`, `~3 min`, `~2 h` or `~4 days`."""
    for unit, size, limit in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 24)):
        amount = seconds / size
        if amount < limit * 0.95:
            step = 5 if amount >= 10 and unit != "h" else 1
            return f"~{max(round(amount / step) * step, 1)} {unit}"
    days = max(round(seconds / 86_400), 1)
    return f"~{days} day" if days == 1 else f"~{days:,} days"
