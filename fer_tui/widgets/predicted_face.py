"""A face with a model's prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len

from core.runs.predictions import Prediction
from fer_tui.console.output import escape_control
from fer_tui.widgets.confusion_matrix import fit_to_width
from fer_tui.widgets.face_grid import Face

if TYPE_CHECKING:
    from core.data.dataset import Dataset


@dataclass(frozen=True)
class PredictedFace(Face):
    """A face with its prediction as the caption."""

    prediction: Prediction

    def caption(self, room: int) -> str:
        """Return the true and predicted class, truncated to fit, and the confidence."""
        confidence = f" {self.prediction.confidence:.0%}"
        label, predicted = escape_control(self.prediction.label), escape_control(self.prediction.predicted)
        if self.prediction.is_correct:
            return fit_to_width(fit_to_width(label, min(cell_len(label), room - len(confidence))) + confidence, room)
        names = room - len(confidence) - 1
        # The longer name gets the room that the shorter one leaves.
        first = min(cell_len(label), max(names // 2, names - cell_len(predicted)))
        second = min(cell_len(predicted), names - first)
        return fit_to_width(f"{fit_to_width(label, first)}→{fit_to_width(predicted, second)}{confidence}", room)


def decode_faces(predictions: Sequence[Prediction], dataset: Dataset, check: Callable[[], None]) -> list[PredictedFace]:
    """Return the faces of the predictions; omit images that can't be read.

    Args:
        predictions: predictions of the data set's images.
        dataset: the data set.
        check: called before each image; raises `Superseded` if the faces are no longer needed.
    """
    from core.data.images import ImageError

    faces: list[PredictedFace] = []
    for prediction in predictions:
        check()
        try:
            faces.append(PredictedFace(prediction.label, dataset.image(prediction.path), prediction))
        except ImageError:
            continue
    return faces
