"""The dialog that predicts image files with a run's model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.markup import escape
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from core.errors import FerError
from core.runs.reader import RunSnapshot
from fer_tui.console.output import escape_control
from fer_tui.key_labels import key_label
from fer_tui.state.loaded_model import MODEL_CACHE, model_access
from fer_tui.widgets.face_grid import Face, FaceGrid
from fer_tui.widgets.path_input import PathInput
from fer_tui.widgets.probability_bars import ProbabilityBars
from fer_tui.widgets.run_names import model_and_name

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.evaluation.inference import FacePrediction, Predictor


class PredictScreen(ModalScreen[None]):
    """Predict one image after another; show the face and the probability of every class."""

    CSS_PATH = "../screens/inspect.tcss"
    BINDING_GROUP_TITLE = "Prediction"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", id="predict.close", tooltip="Close and return to the run"),
    ]
    AUTO_FOCUS = "#image-path"
    _predictor: ClassVar[Predictor | None] = None
    _last_path: ClassVar[str] = ""

    class StatusReported(Message):
        """The worker reports its progress or the problem that stopped it."""

        def __init__(self, job: int, text: str, *, is_problem: bool = False) -> None:
            super().__init__()
            self.job, self.text, self.is_problem = job, text, is_problem

    class FaceRead(Message):
        """The worker has decoded the image."""

        def __init__(self, job: int, image: Image) -> None:
            super().__init__()
            self.job, self.image = job, image

    class Predicted(Message):
        """The model has predicted the image."""

        def __init__(self, job: int, answer: FacePrediction, faces: int) -> None:
            """Store the prediction of the largest of `faces` faces."""
            super().__init__()
            self.job, self.answer, self.faces = job, answer, faces

    def __init__(self, run: RunSnapshot) -> None:
        """Store the run, which must have a saved model."""
        super().__init__()
        self.run = run
        self.job = 0

    def compose(self) -> ComposeResult:
        """Yield the path field, the status line, the face, the bars and the buttons."""
        folder = self.run.environment.get("data")
        begin = "" if folder is None else f"{folder}/"
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = escape(f"Predict with {model_and_name(self.run)}")
            yield PathInput(
                PredictScreen._last_path or begin,
                id="image-path",
                placeholder="path of a JPEG or PNG file; Tab completes",
            )
            yield Static(
                "Type the path of a photo or a face image, then press Enter.", id="predict-state", markup=False
            )
            with Horizontal(id="predicted"):
                yield FaceGrid(id="predicted-face")
                with VerticalScroll(can_focus=False):
                    yield ProbabilityBars(id="probabilities")
            with Horizontal(classes="buttons"):
                yield Button("Predict", variant="primary", id="do-predict", compact=True)
                yield Button(f"Close ({key_label(self, 'predict.close')})", id="close", compact=True)

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#do-predict")
    @on(Input.Submitted)
    def _asked(self) -> None:
        text = self.query_one(Input).value.strip()
        if not text:
            return
        PredictScreen._last_path = text
        self.job += 1
        job, path = self.job, self.query_one(PathInput).path
        self.query_one(FaceGrid).show([])
        self.query_one(ProbabilityBars).show({})
        # The import of TensorFlow takes seconds; a training run that already imports it makes this one wait.
        self._show_status("Predicting …" if PredictScreen._predictor else "Loading TensorFlow …")
        self.run_worker(lambda: self._predict(job, path), thread=True, group="predict", name="predict")

    # In the worker thread: it changes no widget and only posts messages

    def _predict(self, job: int, path: Path) -> None:
        from core.data import images
        from core.evaluation.inference import Predictor

        try:
            image = images.read_image(path)
            self.post_message(self.FaceRead(job, image))
        except images.ImageError as error:
            self.post_message(self.StatusReported(job, f"{path}: {error}", is_problem=True))
            return
        try:
            with model_access("predict"):
                if job != self.job:
                    return
                PredictScreen._predictor = predictor = PredictScreen._predictor or Predictor(MODEL_CACHE)
                answer, *others = predictor.predict(self.run.path, [path])
        except FerError as error:
            self.post_message(self.StatusReported(job, str(error), is_problem=True))
            return
        if answer.error:
            self.post_message(self.StatusReported(job, f"{path}: {answer.error}", is_problem=True))
        else:
            if answer.box is not None:
                self.post_message(self.FaceRead(job, answer.box.crop(image)))
            self.post_message(self.Predicted(job, answer, 1 + len(others)))

    # On the event loop

    @on(StatusReported)
    def _on_status(self, message: StatusReported) -> None:
        if message.job == self.job:
            self._show_status(message.text, is_problem=message.is_problem)

    @on(FaceRead)
    def _on_face(self, message: FaceRead) -> None:
        if message.job == self.job:
            self.query_one(FaceGrid).show([Face("", message.image)])

    @on(Predicted)
    def _on_predicted(self, message: Predicted) -> None:
        if message.job == self.job:
            answer = message.answer
            label, confidence = next(iter(answer.probabilities.items()))
            self.query_one(ProbabilityBars).show(answer.probabilities)
            about = f"the largest of {message.faces} faces" if message.faces > 1 else answer.note
            self._show_status(
                "   ".join(filter(None, (f"{label}, confidence {confidence:.1%}", answer.image.name, about)))
            )

    def _show_status(self, text: str, *, is_problem: bool = False) -> None:
        style = self.app.theme_variables["error"] if is_problem else ""
        self.query_one("#predict-state", Static).update(Text(escape_control(text), style=style))
