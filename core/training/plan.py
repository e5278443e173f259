"""What the epochs of a run have in common: batch, steps, validation images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.config.protocol import PROTOCOLS, steps_per_pass
from core.config.training_config import TrainingConfig
from core.data.pipeline import evaluation_batch_size
from core.data.training_data import TrainingData
from core.models.registry import find_model
from core.training import devices


@dataclass(frozen=True)
class Plan:
    """What the epochs of a run have in common.

    Attributes:
        batch: images a step.
        steps: steps an epoch.
        steps_per_pass: steps of a pass over the training images; not those of an epoch in the published protocol.
        last_batch_size: images of a pass's last, smaller batch; 0 where all are alike.
        val_images: that the val_* figures of an epoch are taken over.
        val_batch_size: images a step of validation.
        shuffle_buffer: see `core.data.pipeline.training_rows`.
        drop_remainder: whether a pass leaves out its last, smaller batch.
    """

    batch_size: int
    steps_per_epoch: int
    steps_per_pass: int
    last_batch_size: int
    val_images: int
    val_batch_size: int
    shuffle_buffer: int | None
    drop_remainder: bool

    def whole_batches(self, step: int) -> int:
        """How many batches from a step on have all `batch` images; 0 where the step's own has fewer.

        Args:
            step: counted from 0 over all epochs.
        """
        return self.steps_per_pass - 1 - step % self.steps_per_pass if self.last_batch_size else self.steps_per_epoch

    def images(self, epoch: int) -> int:
        """Images that an epoch, counted from 0, trains on."""
        first, smaller = epoch * self.steps_per_epoch, 0
        if self.last_batch_size:
            smaller = (first + self.steps_per_epoch) // self.steps_per_pass - first // self.steps_per_pass
        return self.steps_per_epoch * self.batch_size - smaller * (self.batch_size - self.last_batch_size)

    def stream_arguments(self, epochs_done: int) -> dict[str, Any]:
        """The arguments of the training stream from the epoch after `epochs_done` on."""
        return {
            "first_step": epochs_done * self.steps_per_epoch,
            "shuffle_buffer": self.shuffle_buffer,
            "drop_remainder": self.drop_remainder,
        }


def plan_epochs(config: TrainingConfig, data: TrainingData, used: devices.Devices) -> Plan:
    """Steps and validation images as the protocol counts them."""
    images = len(data.train.values)
    batch = min(config.batch_size, images)
    protocol, divisor = PROTOCOLS[config.protocol], find_model(config.model).published_divisor
    val_images = protocol.validation_image_count(len(data.validation.values), batch, divisor)
    return Plan(
        batch_size=batch,
        steps_per_epoch=protocol.steps_per_epoch(images, batch, divisor, drop_remainder=used.mirrored),
        steps_per_pass=steps_per_pass(images, batch, drop_remainder=used.mirrored),
        last_batch_size=0 if used.mirrored else images % batch,
        val_images=val_images,
        val_batch_size=evaluation_batch_size(val_images, len(used.names)),
        shuffle_buffer=protocol.shuffle_buffer,
        drop_remainder=used.mirrored,
    )
