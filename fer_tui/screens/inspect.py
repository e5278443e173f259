"""The Inspect screen: a run's confusion matrix, its metrics per class and its most confident mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from core.runs.predictions import Evaluation, MatrixCell, Prediction, most_telling_predictions, parse_evaluation
from core.runs.reader import RunSnapshot
from core.runs.run_selection import evaluated_runs, next_evaluated, run_to_inspect
from fer_tui.console.output import escape_control
from fer_tui.key_labels import key_label, tab_label
from fer_tui.screens.inspect_words import faces_title, run_title, without_figures
from fer_tui.screens.inspect_workers import InspectWorkers
from fer_tui.widgets.class_report import ClassReport
from fer_tui.widgets.confusion_matrix import ConfusionMatrix
from fer_tui.widgets.face_grid import FaceGrid
from fer_tui.widgets.menu import MenuScreen
from fer_tui.widgets.mode_tabs import ActionLink
from fer_tui.widgets.run_names import run_line

if TYPE_CHECKING:
    from core.data.dataset import Dataset

SAMPLE = 48


class RunTitle(Static):
    """The inspected run; a click opens the menu of runs."""

    async def on_click(self) -> None:
        """Open the menu of runs."""
        await self.app.run_action("screen.choose_run")


class InspectScreen(InspectWorkers):
    """One run's confusion matrix, classification report and faces."""

    MODE = "inspect"
    CSS_PATH = "inspect.tcss"
    AUTO_FOCUS = "ConfusionMatrix"
    BINDING_GROUP_TITLE = "The inspected run"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "choose_run", "Run", id="inspect.run", tooltip="Inspect another run"),
        Binding(
            "left_square_bracket",
            "step(-1)",
            "Newer",
            show=False,
            id="inspect.newer",
            tooltip="Inspect the next newer run",
        ),
        Binding(
            "right_square_bracket",
            "step(1)",
            "Older",
            show=False,
            id="inspect.older",
            tooltip="Inspect the next older run",
        ),
        Binding("s", "shares", "Shares", id="inspect.shares", tooltip="Switch between counts and percentages"),
        Binding("n", "more", "More faces", id="inspect.more", tooltip="Show the next faces"),
        Binding("c", "classes", "Classes", id="inspect.classes", tooltip="Switch between the metrics and the faces"),
        Binding("x", "explain", "Explain", id="inspect.explain", tooltip="Show or hide Grad-CAM heatmaps"),
        Binding("d", "review", "Review", id="inspect.review", tooltip="Review the labels that may be wrong"),
        Binding("p", "predict", "Predict", id="inspect.predict", tooltip="Predict the expression in an image file"),
        Binding("escape", "clear", "All", id="inspect.clear", tooltip="Clear the cell and show all mistakes"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.evaluation: Evaluation | None = None
        self.predictions: Sequence[Prediction] | None = None
        self.dataset: Dataset | None = None
        self.problem = ""
        self.unreadable = 0
        self.first_face = 0
        self.is_explaining = self.has_heatmaps = False
        self._rendered_state: tuple[object, ...] = ()
        self._read_of: tuple[object, ...] = ()

    def compose_mode(self) -> ComposeResult:
        """Yield the run's line, its notes, its metrics and its faces."""
        with Horizontal(id="inspected-line"):
            yield ActionLink(key_label(self, "inspect.newer"), "newer", "screen.step(-1)")
            yield RunTitle(id="inspected", markup=False)
            yield ActionLink(key_label(self, "inspect.older"), "older", "screen.step(1)")
        yield Static(id="inspect-note", markup=False)
        yield Static(id="inspect-empty", markup=False)
        with Container(id="inspect"):
            with Vertical(id="figures"):
                yield ConfusionMatrix(id="matrix")
                with VerticalScroll(id="report-scroll", can_focus=False):
                    yield ClassReport(id="report")
            with Vertical(id="wrong"):
                yield Static(id="faces-title", markup=False)
                yield FaceGrid(id="wrong-faces")

    def on_mount(self) -> None:
        """Watch the app's runs and the inspected run."""
        self.watch(self.app, "runs", self.show_run)
        self.watch(self.app, "inspected", self.show_run, init=False)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Show what changed while another mode was open."""
        self.show_run()

    def repaint(self) -> None:
        """Draw the run in the new theme's colours."""
        self._rendered_state = ()
        self.show_run()

    # Which run

    @property
    def run_shown(self) -> RunSnapshot | None:
        """The inspected run, else the newest run with an evaluation, else the newest run."""
        return run_to_inspect(self.fer.runs or (), self.fer.inspected)

    def _evaluated(self) -> list[RunSnapshot]:
        return evaluated_runs(self.fer.runs or ())

    def _beside(self, direction: int) -> RunSnapshot | None:
        run = self.run_shown
        return next_evaluated(self.fer.runs or (), run, direction) if run else None

    def show_run(self) -> None:
        """Render the run's snapshot; read its predictions if the run or its evaluation changed."""
        if self.fer.runs is None or not self.is_mounted or not self.is_open:
            return
        run = self.run_shown
        around = tuple(beside.name if beside else "" for beside in (self._beside(-1), self._beside(1)))
        shown = (self.fer.runs_problem, around, *((run.path, run.state, run.status, run.evaluation) if run else ()))
        if shown == self._rendered_state:
            return
        self._rendered_state = shown
        self.evaluation = parse_evaluation(run.evaluation) if run else None
        is_other = self._read_of != ((run.path, run.evaluation) if run else ())
        with self.app.batch_update():
            if is_other:
                self._begin(run)
            for corner, name in zip(self.query(ActionLink).filter("#inspected-line ActionLink"), around, strict=True):
                corner.display = bool(name)
            self.set_class(self.evaluation is None, "-empty")
            self.query_one("#inspect-empty", Static).update(
                Text(
                    escape_control(self.fer.runs_problem)
                    or without_figures(run, self.fer.folder, tab_label(self, "train"))
                )
            )
            self.query_one("#inspected", Static).update(run_title(run) if run else "")
            self._show_figures()
            self._tell_note()
        self.refresh_bindings()

    def _begin(self, run: RunSnapshot | None) -> None:
        """Clear the previous run's data and read this run's predictions and data set."""
        self._read_of = (run.path, run.evaluation) if run else ()
        self.job += 1
        self.predictions = self.dataset = None
        self.problem, self.unreadable, self.first_face = "", 0, 0
        matrix = self.query_one(ConfusionMatrix)
        matrix.choose(None)
        if run is not None and self.evaluation is not None:
            matrix.show(self.evaluation.classes, self.evaluation.matrix)
            job = self.job
            self.run_worker(lambda: self._read(job, run), thread=True, group="inspect", name="read")
        self._show_faces()

    def _show_figures(self) -> None:
        figures = self.evaluation.per_class if self.evaluation else ()
        self.query_one(ClassReport).show(figures, frozenset(self.cell or ()))
        self.query_one(ConfusionMatrix).refresh()

    def _tell_note(self) -> None:
        """Show the problems met or, without any, the audit's warnings about the run."""
        run, colours = self.run_shown, self.app.theme_variables
        unread = (
            f"{self.unreadable} of these faces can't be read; 'fer-tui data check' lists them."
            if self.unreadable
            else ""
        )
        warned = [warning.get("message", "") for warning in run.warnings] if run and self.evaluation else []
        text = " ".join(filter(None, (self.problem, unread))) or ". ".join(warned)
        style = colours["error" if self.problem or unread else "warning"]
        note = self.query_one("#inspect-note", Static)
        note.display = bool(text)
        note.update(Text(escape_control(text), style=style))

    # On the event loop

    @on(InspectWorkers.ProblemFound)
    def _on_problem(self, message: InspectWorkers.ProblemFound) -> None:
        if message.job == self.job:
            self.problem = message.text
            self._tell_note()
            self._show_faces()

    @on(InspectWorkers.PredictionsRead)
    def _on_predictions(self, message: InspectWorkers.PredictionsRead) -> None:
        if message.job == self.job:
            self.predictions = message.predictions
            self._show_faces()

    @on(InspectWorkers.DatasetRead)
    def _on_dataset(self, message: InspectWorkers.DatasetRead) -> None:
        if message.job == self.job:
            self.dataset, self.predictions = message.dataset, message.predictions
            self._show_faces()
            self.refresh_bindings()

    @on(InspectWorkers.FacesDecoded)
    def _on_faces(self, message: InspectWorkers.FacesDecoded) -> None:
        if message.view == self.view:
            self.unreadable, self.has_heatmaps = message.unreadable, message.has_heatmaps
            self.query_one(FaceGrid).show(message.faces)
            self._tell_note()
            self.call_after_refresh(self._tell_faces)

    @on(InspectWorkers.ExplanationFailed)
    def _on_unexplained(self, message: InspectWorkers.ExplanationFailed) -> None:
        if message.view == self.view:
            self.is_explaining = False
            self.problem = message.text
            self._tell_note()
            self._tell_faces()

    @property
    def cell(self) -> MatrixCell | None:
        """The true and predicted class of the chosen cell; None if no cell is chosen."""
        chosen = self.query_one(ConfusionMatrix).cell
        if chosen is None or self.evaluation is None:
            return None
        return self.evaluation.classes[chosen[0]], self.evaluation.classes[chosen[1]]

    @property
    def faces_found(self) -> list[Prediction]:
        """The predictions of the chosen cell or, without one, all mistakes."""
        return most_telling_predictions(self.predictions or (), self.cell)

    def _show_faces(self) -> None:
        """Decode the current page of faces; the previous faces stay until the worker is done."""
        self.view += 1
        view, dataset, found = self.view, self.dataset, self.faces_found
        wanted = found[self.first_face : self.first_face + SAMPLE]
        if dataset is not None and wanted:
            run = self.run_shown if self.is_explaining else None
            self.run_worker(lambda: self._decode(view, dataset, wanted, run), thread=True, group="faces", name="faces")
        else:
            self.unreadable = 0
            self.query_one(FaceGrid).show([])
        self._tell_faces()

    def _tell_faces(self) -> None:
        found = len(self.faces_found)
        if self.predictions is None:
            text = "" if self.problem else "Reading the predictions …"
        else:
            text = faces_title(self.cell, found)
            if self.is_explaining:
                text += "   with heatmaps" if self.has_heatmaps else "   computing heatmaps …"
            shown = self.query_one(FaceGrid).shown
            if 0 < shown < found:
                text += f"   {self.first_face + 1}-{min(self.first_face + shown, found)}"
        self.query_one("#faces-title", Static).update(Text(escape_control(text), no_wrap=True, overflow="ellipsis"))

    @on(ConfusionMatrix.CellChosen)
    def _cell_chosen(self) -> None:
        self.first_face = 0
        self._show_figures()
        self._show_faces()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable the actions that apply to the run."""
        if not self.is_mounted:
            return True
        run, has_figures = self.run_shown, self.evaluation is not None
        allowed = {
            "choose_run": any(other is not run for other in self._evaluated()),
            "shares": has_figures,
            "more": has_figures and self.dataset is not None and bool(self.faces_found),
            "explain": has_figures and self.dataset is not None and bool(self.faces_found),
            "review": has_figures and self.dataset is not None,
            "classes": has_figures and self.has_class("-narrow"),
            "predict": run is not None and bool(run.history),
            "clear": has_figures and self.cell is not None,
        }
        return allowed.get(action, True)

    def on_resize(self) -> None:
        """Update the footer and the faces' title: a wide terminal shows more of both."""
        self.refresh_bindings()
        self.call_after_refresh(self._tell_faces)

    def action_step(self, direction: int) -> None:
        """Inspect the next newer (-1) or older (1) run with an evaluation."""
        beside = self._beside(direction)
        if beside is not None:
            self.fer.inspected = beside.name

    def action_choose_run(self) -> None:
        """Open the menu of runs."""
        run = self.run_shown
        if self._evaluated():
            runs = [(run_line(each), each.name) for each in self._evaluated()]
            self.app.push_screen(MenuScreen("Inspect a run", runs, run.name if run else None), self._run_chosen)

    def _run_chosen(self, name: str | None) -> None:
        if name is not None:
            self.fer.inspected = name

    def action_shares(self) -> None:
        """Toggle between percentages of the true class and counts."""
        matrix = self.query_one(ConfusionMatrix)
        matrix.set_normalized(not matrix.is_normalized)

    def action_more(self) -> None:
        """Show the next faces; after the last ones, the first ones again."""
        self.first_face += max(self.query_one(FaceGrid).shown, 1)
        if self.first_face >= len(self.faces_found):
            self.first_face = 0
        self.remove_class("-report")
        self._show_faces()

    def action_explain(self) -> None:
        """Toggle the Grad-CAM heatmaps of the predicted class on the faces."""
        self.is_explaining = not self.is_explaining
        self.remove_class("-report")
        self._show_faces()

    def action_classes(self) -> None:
        """Switch between classes and faces in a narrow terminal."""
        self.toggle_class("-report")

    def action_clear(self) -> None:
        """Clear the chosen cell and show all mistakes."""
        self.query_one(ConfusionMatrix).choose(None)

    def action_review(self) -> None:
        """Open the review of the labels that may be wrong."""
        from fer_tui.dialogs.review import ReviewScreen

        run = self.run_shown
        if run is not None:
            self.app.push_screen(ReviewScreen(run))

    def action_predict(self) -> None:
        """Open the dialog that predicts an image file."""
        from fer_tui.dialogs.predict import PredictScreen

        run = self.run_shown
        if run is not None:
            self.app.push_screen(PredictScreen(run))
