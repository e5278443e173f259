"""What the epochs of a run have in common: batch, steps, validation images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.config.protocol import PROTOCOLS
from core.config.training_config import TrainingConfig
from core.data.training_data import TrainingData
from core.models.registry import find_model
from core.training import devices


@dataclass(frozen=True)
class Plan:
    """What the epochs of a run have in common.

    Attributes:
        batch: images a step.
        steps: steps an epoch.
        val_images: that the val_* figures of an epoch are taken over.
        replicas: devices that a batch is shared out over.
        shuffle_buffer: see `core.data.pipeline.training_rows`.
        drop_remainder: whether a pass leaves out its last, smaller batch.
    """

    batch: int
    steps: int
    val_images: int
    replicas: int
    shuffle_buffer: int | None
    drop_remainder: bool

    def stream(self, epochs_done: int) -> dict[str, Any]:
        """The arguments of the training stream from the epoch after `epochs_done` on."""
        return {
            "first_step": epochs_done * self.steps,
            "shuffle_buffer": self.shuffle_buffer,
            "drop_remainder": self.drop_remainder,
        }


def plan_epochs(config: TrainingConfig, data: TrainingData, used: devices.Devices) -> Plan:
    """Steps and validation images as the protocol counts them."""
    images = len(data.train.values)
    batch = min(config.batch_size, images)
    protocol, divisor = PROTOCOLS[config.protocol], find_model(config.model).published_divisor
    return Plan(
        batch=batch,
        steps=protocol.steps(images, batch, divisor, drop_remainder=used.mirrored),
        val_images=protocol.validated(len(data.validation.values), batch, divisor),
        replicas=len(used.names),
        shuffle_buffer=protocol.shuffle_buffer,
        drop_remainder=used.mirrored,
    )
