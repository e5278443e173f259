"""A face with what a model said of it."""

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
    """A face with its prediction below it."""

    prediction: Prediction

    def caption(self, room: int) -> str:
        """Both classes, each cut where there is no room for them, and how sure the model was."""
        confidence = f" {self.prediction.confidence:.0%}"
        label, said = escape_control(self.prediction.label), escape_control(self.prediction.predicted)
        if self.prediction.is_correct:
            return fit_to_width(fit_to_width(label, min(cell_len(label), room - len(confidence))) + confidence, room)
        names = room - len(confidence) - 1
        # What the shorter name leaves is the longer one's.
        first = min(cell_len(label), max(names // 2, names - cell_len(said)))
        second = min(cell_len(said), names - first)
        return fit_to_width(f"{fit_to_width(label, first)}→{fit_to_width(said, second)}{confidence}", room)


def decode_faces(predictions: Sequence[Prediction], dataset: Dataset, check: Callable[[], None]) -> list[PredictedFace]:
    """The faces of some predictions; those that can't be read are left out.

    Args:
        predictions: of images of the data set.
        dataset: where the images come from.
        check: called before each image; raises where the faces are no longer wanted.
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
