"""The protocols: how images are listed, shuffled and counted in training and validation.

`sound` is the default. `published` is the article's: M. Thumiki, Facial Expression Recognition using Sequential Model,
2023. It misleads, and is reproduced to show where the article's figures come from. Paths are listed class by class and
shuffled with a buffer smaller than a class, so that batches are nearly pure. Steps are counted with a divisor of their
own. Validation covers the first steps of the listing alone, shuffled with the same buffer.
`core.comparison.article_figures` derives the article's figures from that, without a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.models.registry import ModelSpec

# Images that the article shuffles at a time, and images a batch.
SHUFFLE_BUFFER = 1_000
BATCH_SIZE = 64
# Epochs trained, where the article reports another than the last.
EPOCHS = {"model3": 5}
# The models that the article gave its own encoding and augmentation.
REVISED = ("model3", "model4")


def steps_per_pass(images: int, batch: int, *, drop_remainder: bool = False) -> int:
    """Steps of one pass over the images; the last, smaller batch is one of them unless it is dropped."""
    return images // batch if drop_remainder else -(-images // batch)


@dataclass(frozen=True)
class TrainingProtocol:
    """How a run trains and validates; the defaults are those of `sound`.

    Attributes:
        name: what users type.
        listing: split to classes, in the order in which their images are listed; where there is none, they are listed
            by path.
        shuffle_buffer: images that are shuffled at a time; None shuffles each pass over all of them.
        has_own_steps: whether steps an epoch and images of validation are counted with the model's divisor.
        refits_encoding: whether the frequency encoding of the validation targets is fitted on validation.
        crops: whether the crop of an augmentation policy enlarges the images first; else it crops nothing.
    """

    name: str
    listing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shuffle_buffer: int | None = None
    has_own_steps: bool = False
    refits_encoding: bool = False
    crops: bool = True

    def class_order(self, classes: Sequence[str], split: str) -> list[str] | None:
        """The classes in the order in which their images are listed, those that the listing lacks last, by name.

        Returns:
            None where images are listed by path.
        """
        if split not in self.listing:
            return None
        known = [name for name in self.listing[split] if name in classes]
        return known + sorted(set(classes) - set(known))

    def steps_per_epoch(self, images: int, batch: int, divisor: int, *, drop_remainder: bool = False) -> int:
        """Steps of an epoch, at least one.

        Args:
            images: of the split.
            batch: images a batch.
            divisor: what the article divides by where a batch has BATCH_SIZE images; another batch size scales it.
            drop_remainder: whether a pass leaves out its last, smaller batch.
        """
        if self.has_own_steps:
            return max(images * BATCH_SIZE // (batch * divisor), 1)
        return steps_per_pass(images, batch, drop_remainder=drop_remainder)

    def validation_image_count(self, images: int, batch: int, divisor: int) -> int:
        """Images of a validation split that the val_* figures of an epoch are taken over; see `steps`."""
        return min(self.steps_per_epoch(images, batch, divisor) * batch, images)

    def settings(self, model: ModelSpec) -> dict[str, Any]:
        """The TrainingConfig fields that the protocol sets for a model, over the model's own recipe."""
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
