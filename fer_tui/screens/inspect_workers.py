"""What Inspect reads and computes in worker threads; messages are all that leaves them."""

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
    """The part of the screen that works in threads."""

    class ProblemFound(Message):
        """What stood in the worker's way."""

        def __init__(self, job: int, text: str) -> None:
            super().__init__()
            self.job, self.text = job, text

    class PredictionsRead(Message):
        """predictions.csv was read."""

        def __init__(self, job: int, predictions: Sequence[Prediction]) -> None:
            super().__init__()
            self.job, self.predictions = job, predictions

    class DatasetRead(Message):
        """The data set was found again; `predictions` are those of images that it still has."""

        def __init__(self, job: int, dataset: Dataset, predictions: Sequence[Prediction]) -> None:
            super().__init__()
            self.job, self.dataset, self.predictions = job, dataset, predictions

    class FacesDecoded(Message):
        """Faces can be shown, under heat or not; `unread` of them could not be read."""

        def __init__(self, view: int, faces: Sequence[Face], unreadable: int, *, has_heatmaps: bool = False) -> None:
            super().__init__()
            self.view, self.faces, self.unreadable, self.has_heatmaps = view, faces, unreadable, has_heatmaps

    class ExplanationFailed(Message):
        """The model can't be asked where it looked."""

        def __init__(self, view: int, text: str) -> None:
            super().__init__()
            self.view, self.text = view, text

    def __init__(self) -> None:
        super().__init__()
        # Messages of an older job are of another run, of an older view of other faces.
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
                said = f"{gone:,} of {len(predictions):,} images are gone or in another class; they are left out."
                self.post_message(self.ProblemFound(job, f"{dataset.root}: {said}"))
            elif has_changed(run, dataset, check):
                said = "has changed since the run: its faces may not be those that the model saw."
                self.post_message(self.ProblemFound(job, f"{dataset.root} {said}"))
        except FerError as error:
            self.post_message(self.ProblemFound(job, str(error)))
        except Superseded:
            pass

    def _decode(
        self, view: int, dataset: Dataset, predictions: Sequence[Prediction], run_to_explain: RunSnapshot | None
    ) -> None:
        """Decode some faces and show them; then, of a run that is to be explained, what its model looked at."""
        check = self._checked(lambda: view == self.view)
        try:
            faces = decode_faces(predictions, dataset, check)
            self.post_message(self.FacesDecoded(view, faces, len(predictions) - len(faces)))
            if run_to_explain is not None and faces:
                heated = self._overlay_heatmaps(run_to_explain, faces, check)
                self.post_message(self.FacesDecoded(view, heated, len(predictions) - len(faces), has_heatmaps=True))
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
