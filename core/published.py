"""The article's protocol and figures: M. Thumiki, Facial Expression Recognition using Sequential Model, 2023.

The protocol misleads, which is why it stands here apart: it is reproduced to show where its figures come from.
Paths are listed class by class and shuffled with a buffer smaller than a class, so that batches are nearly
pure; steps are counted with a divisor of their own; validation covers the first steps of the listing alone, shuffled
with the same buffer. `core.published_figures` derives the article's figures from that, without a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.models.registry import ModelSpec

SHUFFLE_BUFFER = 1_000
BATCH = 64
LISTING: Mapping[str, Sequence[str]] = {
    "train": ("neutral", "surprise", "sad", "happy", "angry", "disgust", "fear"),
    "validation": ("happy", "neutral", "angry", "surprise", "sad", "disgust", "fear"),
}


@dataclass(frozen=True)
class PublishedRow:
    """A row of the article's comparison table, as printed."""

    model: str
    epoch: int
    parameters: int | None
    train_accuracy: float
    val_accuracy: float
    val_loss: float
    note: str


RESULTS = (
    PublishedRow("model1", 2, None, 0.8317, 0.1428, 0.7835, "0.7835 is its training recall; its log says 15.8298"),
    PublishedRow("model2", 3, None, 0.8189, 0.1428, 8.5437, "its log says val_accuracy 0.1426"),
    PublishedRow("model3", 2, None, 0.8093, 0.4972, 1.9119, "happy's share of the first 3,520 images"),
    PublishedRow("model4", 3, None, 0.8038, 0.5017, 2.9106, "happy's share of the first 3,520 images"),
)
# Epochs trained, where the article reports another than the last.
EPOCHS = {"model3": 5}
# The models that the article gave its own encoding and augmentation.
REVISED = ("model3", "model4")
VALIDATION_IMAGES = {"model1": 7_040, "model2": 7_040, "model3": 3_520, "model4": 3_520}


def settings(protocol: str, model: ModelSpec) -> dict[str, Any]:
    """The TrainingConfig fields that a protocol sets for a model, over the model's own recipe."""
    if protocol != "published":
        return {}
    revised = model.name in REVISED
    return {
        "batch_size": BATCH,
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


def listing(classes: Sequence[str], split: str) -> list[str]:
    """The classes in the order in which the article lists their images; those it lacks come last, by name."""
    known = [name for name in LISTING[split] if name in classes]
    return known + sorted(set(classes) - set(known))


def steps(images: int, batch: int, divisor: int) -> int:
    """Steps an epoch as the article counts them, at least one.

    Args:
        images: of the split.
        batch: images a batch.
        divisor: what the article divides by where a batch has BATCH images; another batch size scales it.
    """
    return max(images * BATCH // (batch * divisor), 1)
