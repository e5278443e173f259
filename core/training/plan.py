"""The plan of a run's epochs: batch size, steps and validation images."""

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
    """The plan of a run's epochs.

    Attributes:
        batch_size: images per training step.
        steps_per_epoch: training steps per epoch.
        steps_per_pass: steps per pass over the training images; in the published protocol an epoch has other steps.
        last_batch_size: images in the last, smaller batch of a pass; 0 if all batches have the same size.
        val_images: the number of images that an epoch's val_* metrics are computed on.
        val_batch_size: images per validation step.
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
        """Return the number of consecutive full batches from a step on; 0 if the step's batch is smaller.

        Args:
            step: the step, counted from 0 over all epochs.
        """
        return self.steps_per_pass - 1 - step % self.steps_per_pass if self.last_batch_size else self.steps_per_epoch

    def images(self, epoch: int) -> int:
        """Return the number of training images in an epoch, counted from 0."""
        first, smaller = epoch * self.steps_per_epoch, 0
        if self.last_batch_size:
            smaller = (first + self.steps_per_epoch) // self.steps_per_pass - first // self.steps_per_pass
        return self.steps_per_epoch * self.batch_size - smaller * (self.batch_size - self.last_batch_size)

    def stream_arguments(self, epochs_done: int) -> dict[str, Any]:
        """Return the arguments of the training stream that continues after `epochs_done` epochs."""
        return {
            "first_step": epochs_done * self.steps_per_epoch,
            "shuffle_buffer": self.shuffle_buffer,
            "drop_remainder": self.drop_remainder,
        }


def plan_epochs(config: TrainingConfig, data: TrainingData, used: devices.Devices) -> Plan:
    """Compute the steps and validation images that the protocol requires."""
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
