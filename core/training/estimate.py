"""How long an epoch takes on this machine, roughly: from past runs, else from how fast it multiplies matrices."""

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

# A training step is a forward pass and two of its size backward: by the weights, and by the inputs.
TRAINING_PASSES = 3
# Of the speed of a plain matrix product, what training reaches: 0.19 to 0.35 on two CPU cores, by model.
SHARE_OF_PRODUCT = 0.25
_STACK, _SIDE = 16, 64
_MEASURED_SECONDS = 0.2


@dataclass(frozen=True)
class Pace:
    """How fast this machine trains.

    Attributes:
        seconds: for one multiply-accumulate.
        basis: what it is read off.
    """

    seconds_per_mac: float
    basis: str


def epoch_macs(config: TrainingConfig, train: int, validation: int) -> float:
    """Multiply-accumulates of an epoch, validation included.

    They grow with the square of the image size and of the width, which is exact for convolutions alone.

    Args:
        config: the run's settings.
        train: images of the train split; the config's limit is applied here.
        validation: images of the validation split.
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
    """Seconds that an epoch takes at a pace.

    Args:
        config: the run's settings.
        counts: of its data set, split to class to images.
        pace: how fast the machine trains.
    """
    return pace.seconds_per_mac * epoch_macs(config, *train_validation_counts(counts, config.validation_share))


def train_validation_counts(counts: Mapping[str, Mapping[str, int]], validation_share: float) -> tuple[int, int]:
    """Images to train and to validate on, from `core.data.dataset.counts_by_split`.

    Args:
        counts: split to class to images.
        validation_share: what is held out of train where there is no validation split.
    """
    images = {split: sum(classes.values()) for split, classes in counts.items()}
    train = images.get("train", 0) or images.get("all", 0)
    validation = images.get("validation", 0) or round(train * validation_share)
    return train - (0 if images.get("validation") else validation), validation


def past_pace(config: TrainingConfig, runs: Iterable[RunSnapshot]) -> Pace | None:
    """The pace of the newest past run on this host and the same devices: of this model, else of any; None without one.

    Args:
        config: the run's settings.
        runs: newest first.
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
    """Seconds a multiply-accumulate of a run of this host; None where its files can't tell."""
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
    """The pace that a matrix product on this machine's CPU suggests; takes a fifth of a second, outside the screen."""
    import numpy as np

    # So small that BLAS keeps to one core: on a busy machine its threads wait for each other, twenty times as long.
    left = np.ones((_STACK, _SIDE, _SIDE), np.float32)
    product = left @ left
    until, best = time.perf_counter() + _MEASURED_SECONDS, float("inf")
    while (began := time.perf_counter()) < until:
        np.matmul(left, left, out=product)
        best = min(best, time.perf_counter() - began)
    seconds = best / (_STACK * _SIDE**3 * (os.cpu_count() or 1))
    return Pace(seconds / SHARE_OF_PRODUCT, "from a short test of this CPU: no run here yet")


def approximate_duration(seconds: float) -> str:
    """A duration as coarse as an estimate is: `~5 s`, `~3 min`, `~2 h`, `~4 days`."""
    for unit, size, limit in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 24)):
        amount = seconds / size
        if amount < limit * 0.95:
            step = 5 if amount >= 10 and unit != "h" else 1
            return f"~{max(round(amount / step) * step, 1)} {unit}"
    days = max(round(seconds / 86_400), 1)
    return f"~{days} day" if days == 1 else f"~{days:,} days"
