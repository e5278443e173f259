"""The values of `auto` settings (precision, feed and XLA), chosen once per run and stored in environment.json."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.models.registry import find_model
from core.system.hardware import free_gpu_memory
from core.training.devices import choose_precision

if TYPE_CHECKING:
    from core.config.training_config import TrainingConfig
    from core.data.training_data import TrainingData
    from core.runs.schema import EnvironmentFile
    from core.training.devices import Devices
    from core.training.plan import Plan

logger = logging.getLogger(__name__)

# The fraction of a GPU's free memory that images may take. Model, activations and other processes need the rest.
MAX_MEMORY_FRACTION = 0.25
# TensorFlow's GPU kernels index the elements of a tensor with 32 bits.
MOST_BYTES = 2**31 - 1
# XLA takes 25 s to compile compact's step on an H200, and then saves 8 to 9 ms per step at every batch size.
MIN_STEPS_FOR_XLA = 3_000


@dataclass(frozen=True)
class AutoSettings:
    """The chosen settings of a run.

    Attributes:
        precision: Keras's dtype policy.
        feed: where the images are stored: in the host's memory or in the device's memory.
        jit_compile: whether XLA compiles the training step.
    """

    precision: str
    feed: Literal["host", "device"]
    jit_compile: bool


def choose_auto_settings(
    config: TrainingConfig, used: Devices, plan: Plan, data: TrainingData, earlier: EnvironmentFile
) -> AutoSettings:
    """Choose the values of `auto` settings. A resumed run keeps the values from its start.

    Args:
        config: the run's settings.
        used: the run's devices.
        plan: the steps of an epoch.
        data: the run's data.
        earlier: the content of environment.json; empty for a new run.
    """
    precision = earlier.get("precision") or choose_precision(config.precision, used.capability)
    if used.mirrored:
        return AutoSettings(precision, "host", jit_compile=False)
    feed, jit = earlier.get("feed"), earlier.get("jit_compile")
    return AutoSettings(
        precision,
        feed if feed in ("host", "device") else _choose_feed(config, used, data),
        jit == "on" if jit in ("on", "off") else _choose_jit(config, used, plan),
    )


def _choose_feed(config: TrainingConfig, used: Devices, data: TrainingData) -> Literal["host", "device"]:
    if config.feed != "auto":
        return config.feed
    if not used.on_gpu:
        return "host"
    images = [data.train.values, data.validation.values]
    size, free = sum(values.nbytes for values in images), free_gpu_memory()
    if any(isinstance(values, np.memmap) for values in images) or size > MOST_BYTES:
        reason = "they are larger than image_memory or 2 GiB"
    elif free is None:
        reason = "the driver does not report the GPU's free memory"
    elif size > free * MAX_MEMORY_FRACTION:
        reason = f"they take {size / 2**20:,.0f} MiB, and the GPU has {free / 2**20:,.0f} MiB free"
    else:
        return "device"
    logger.info("the images stay in the host's memory: %s", reason)
    return "host"


def _choose_jit(config: TrainingConfig, used: Devices, plan: Plan) -> bool:
    if config.jit_compile != "auto":
        return config.jit_compile == "on"
    is_possible = used.on_gpu and find_model(config.model).supports_xla
    return is_possible and not config.deterministic and config.epochs * plan.steps_per_epoch >= MIN_STEPS_FOR_XLA
