"""The Inspect screen's worker threads: they read and compute, and only post messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.message import Message
from textual.worker import get_current_worker

from core.errors import FerError
from core.runs.predictions import Prediction, matching_dataset, read_predictions
from core.runs.reader import RunSnapshot
from fer_tui.screens.mode_screen import ModeScreen
from fer_tui.state.loaded_model import MODEL_CACHE, Superseded, model_access
from fer_tui.widgets.face_grid import Face
from fer_tui.widgets.predicted_face import PredictedFace, decode_faces

if TYPE_CHECKING:
    from core.data.dataset import Dataset


class InspectWorkers(ModeScreen):
    """Base class of the Inspect screen with its thread workers and their messages."""

    class ProblemFound(Message):
        """A problem stopped the worker or limits its result."""

        def __init__(self, job: int, text: str) -> None:
            super().__init__()
            self.job, self.text = job, text

    class PredictionsRead(Message):
        """The worker has read predictions.csv."""

        def __init__(self, job: int, predictions: Sequence[Prediction]) -> None:
            super().__init__()
            self.job, self.predictions = job, predictions

    class DatasetRead(Message):
        """The worker has read the run's data set; `predictions` lists only images that are still in it."""

        def __init__(self, job: int, dataset: Dataset, predictions: Sequence[Prediction]) -> None:
            super().__init__()
            self.job, self.dataset, self.predictions = job, dataset, predictions

    class FacesDecoded(Message):
        """The worker has decoded faces, with or without heatmaps; `unreadable` counts the images that failed."""

        def __init__(self, view: int, faces: Sequence[Face], unreadable: int, *, has_heatmaps: bool = False) -> None:
            super().__init__()
            self.view, self.faces, self.unreadable, self.has_heatmaps = view, faces, unreadable, has_heatmaps

    class ExplanationFailed(Message):
        """The worker could not compute the heatmaps."""

        def __init__(self, view: int, text: str) -> None:
            super().__init__()
            self.view, self.text = view, text

    def __init__(self) -> None:
        super().__init__()
        # Handlers ignore messages of an older job (another run) and of an older view (other faces).
        self.job = self.view = 0

    def _checked(self, is_wanted: Callable[[], bool]) -> Callable[[], None]:
        worker = get_current_worker()

        def check() -> None:
            if worker.is_cancelled or not is_wanted():
                raise Superseded

        return check

    def _read(self, job: int, run: RunSnapshot) -> None:
        from core.runs.run_dataset import has_changed, read_run_dataset

        check = self._checked(lambda: job == self.job)
        try:
            predictions = read_predictions(run.path)
            self.post_message(self.PredictionsRead(job, predictions))
            dataset = read_run_dataset(run)
            check()
            known = matching_dataset(predictions, dataset)
            self.post_message(self.DatasetRead(job, dataset, known))
            if len(known) < len(predictions):
                gone = len(predictions) - len(known)
                said = f"{gone:,} of {len(predictions):,} images are missing or in another class and are left out."
                self.post_message(self.ProblemFound(job, f"{dataset.root}: {said}"))
            elif has_changed(run, dataset, check):
                said = "has changed since the run; the faces may differ from those that the model was evaluated on."
                self.post_message(self.ProblemFound(job, f"{dataset.root} {said}"))
        except FerError as error:
            self.post_message(self.ProblemFound(job, str(error)))
        except Superseded:
            pass

    def _decode(
        self, view: int, dataset: Dataset, predictions: Sequence[Prediction], run_to_explain: RunSnapshot | None
    ) -> None:
        """Decode the faces and post them; then, given a run to explain, post them again with heatmaps."""
        check = self._checked(lambda: view == self.view)
        try:
            faces = decode_faces(predictions, dataset, check)
            self.post_message(self.FacesDecoded(view, faces, len(predictions) - len(faces)))
            if run_to_explain is not None and faces:
                overlaid = self._overlay_heatmaps(run_to_explain, faces, check)
                self.post_message(self.FacesDecoded(view, overlaid, len(predictions) - len(faces), has_heatmaps=True))
        except FerError as error:
            self.post_message(self.ExplanationFailed(view, str(error)))
        except Superseded:
            pass

    def _overlay_heatmaps(
        self, run: RunSnapshot, faces: Sequence[PredictedFace], check: Callable[[], None]
    ) -> list[PredictedFace]:
        from core.evaluation.grad_cam import grad_cam_overlays

        with model_access("be explained"):
            check()
            pictures = grad_cam_overlays(MODEL_CACHE.model(run.path), [face.image for face in faces])
        return [replace(face, image=picture) for face, picture in zip(faces, pictures, strict=True)]
