"""The training protocols: the order of the images, shuffling, steps per epoch and validation images.

`sound` is the default. `published` reproduces the protocol of M. Thumiki, Facial Expression Recognition using
Sequential Model, 2023. Its results are misleading; it shows where the article's figures come from. It lists paths class
by class and shuffles them with a buffer smaller than a class, so most batches have images of one or two classes only.
It computes the steps per epoch with its own divisor. It validates on only the first steps of the list, shuffled with
the same buffer. `core.comparison.article_figures` derives the article's figures from these facts, without a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.models.registry import ModelSpec

# The article's shuffle buffer size and batch size.
SHUFFLE_BUFFER = 1_000
BATCH_SIZE = 64
# Number of training epochs, if the article reports an epoch other than the last.
EPOCHS = {"model3": 5}
# The models for which the article uses its frequency encoding and extended augmentation.
REVISED = ("model3", "model4")


def steps_per_pass(images: int, batch: int, *, drop_remainder: bool = False) -> int:
    """Return the number of steps in one pass over the images; `drop_remainder` drops the last, smaller batch."""
    return images // batch if drop_remainder else -(-images // batch)


@dataclass(frozen=True)
class TrainingProtocol:
    """How a run trains and validates. The defaults are those of `sound`.

    Attributes:
        name: the name on the command line.
        listing: for each split, its classes in the order in which their images are listed; the images of a split
            without an entry are in the order of their paths.
        shuffle_buffer: the size of the shuffle buffer, in images; None shuffles all images in each pass.
        has_own_steps: whether the model's divisor sets the steps per epoch and the number of validation images.
        refits_encoding: whether the frequency encoding is fitted again on validation, for the validation targets.
        crops: whether an augmentation policy with a crop enlarges the images before cropping; if False, the crop has
            no effect.
    """

    name: str
    listing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shuffle_buffer: int | None = None
    has_own_steps: bool = False
    refits_encoding: bool = False
    crops: bool = True

    def class_order(self, classes: Sequence[str], split: str) -> list[str] | None:
        """Return the classes in the order in which their images are listed.

        Classes that the listing lacks are last, in alphabetical order.

        Returns:
            None if the images are in the order of their paths.
        """
        if split not in self.listing:
            return None
        known = [name for name in self.listing[split] if name in classes]
        return known + sorted(set(classes) - set(known))

    def steps_per_epoch(self, images: int, batch: int, divisor: int, *, drop_remainder: bool = False) -> int:
        """Return the number of steps per epoch, at least 1.

        Args:
            images: the number of images in the split.
            batch: the batch size.
            divisor: the article's divisor of the number of images, for batches of BATCH_SIZE images. It scales with
                the batch size.
            drop_remainder: whether a pass drops its last, smaller batch.
        """
        if self.has_own_steps:
            return max(images * BATCH_SIZE // (batch * divisor), 1)
        return steps_per_pass(images, batch, drop_remainder=drop_remainder)

    def validation_image_count(self, images: int, batch: int, divisor: int) -> int:
        """Return how many validation images an epoch's val_* metrics cover. Arguments as in `steps_per_epoch`."""
        return min(self.steps_per_epoch(images, batch, divisor) * batch, images)

    def settings(self, model: ModelSpec) -> dict[str, Any]:
        """Return the TrainingConfig fields that the protocol sets for a model. They override the model's recipe."""
        if self.name != "published":
            return {}
        revised = model.name in REVISED
        return {
            "batch_size": BATCH_SIZE,
            "epochs": EPOCHS.get(model.name, model.published_epoch or 3),
            "encoding": "frequency" if revised else "label",
            "augmentation": "extended" if revised else "basic",
            "normalization": "none",
            "class_weights": "max_over_count",
            "monitor": "accuracy",
            "patience": 2,
            "keep": "last",
            "schedule": "constant",
            "label_smoothing": 0.0,
        }


SOUND = TrainingProtocol("sound")
PUBLISHED = TrainingProtocol(
    "published",
    listing={
        "train": ("neutral", "surprise", "sad", "happy", "angry", "disgust", "fear"),
        "validation": ("happy", "neutral", "angry", "surprise", "sad", "disgust", "fear"),
    },
    shuffle_buffer=SHUFFLE_BUFFER,
    has_own_steps=True,
    refits_encoding=True,
    crops=False,
)
PROTOCOLS: Mapping[str, TrainingProtocol] = {protocol.name: protocol for protocol in (SOUND, PUBLISHED)}
