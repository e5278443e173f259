"""The article's comparison table, as printed in the article."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedRow:
    """A row of the article's comparison table."""

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


VALIDATION_IMAGES = {"model1": 7_040, "model2": 7_040, "model3": 3_520, "model4": 3_520}
