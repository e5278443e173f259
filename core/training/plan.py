"""What the epochs of a run have in common: batch, steps, validation images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.config.protocol import PROTOCOLS, pass_steps
from core.config.training_config import TrainingConfig
from core.data.pipeline import evaluation_batch
from core.data.training_data import TrainingData
from core.models.registry import find_model
from core.training import devices


@dataclass(frozen=True)
class Plan:
    """What the epochs of a run have in common.

    Attributes:
        batch: images a step.
        steps: steps an epoch.
        pass_steps: steps of a pass over the training images; not those of an epoch in the published protocol.
        last_batch: images of a pass's last, smaller batch; 0 where all are alike.
        val_images: that the val_* figures of an epoch are taken over.
        val_batch: images a step of validation.
        shuffle_buffer: see `core.data.pipeline.training_rows`.
        drop_remainder: whether a pass leaves out its last, smaller batch.
    """

    batch: int
    steps: int
    pass_steps: int
    last_batch: int
    val_images: int
    val_batch: int
    shuffle_buffer: int | None
    drop_remainder: bool

    def whole_batches(self, step: int) -> int:
        """How many batches from a step on have all `batch` images; 0 where the step's own has fewer.

        Args:
            step: counted from 0 over all epochs.
        """
        return self.pass_steps - 1 - step % self.pass_steps if self.last_batch else self.steps

    def images(self, epoch: int) -> int:
        """Images that an epoch, counted from 0, trains on."""
        first, smaller = epoch * self.steps, 0
        if self.last_batch:
            smaller = (first + self.steps) // self.pass_steps - first // self.pass_steps
        return self.steps * self.batch - smaller * (self.batch - self.last_batch)

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
    val_images = protocol.validated(len(data.validation.values), batch, divisor)
    return Plan(
        batch=batch,
        steps=protocol.steps(images, batch, divisor, drop_remainder=used.mirrored),
        pass_steps=pass_steps(images, batch, drop_remainder=used.mirrored),
        last_batch=0 if used.mirrored else images % batch,
        val_images=val_images,
        val_batch=evaluation_batch(val_images, len(used.names)),
        shuffle_buffer=protocol.shuffle_buffer,
        drop_remainder=used.mirrored,
    )
