"""The dialog that evaluates runs on data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Button, DataTable, Input, Static
from textual.worker import get_current_worker

from core.comparison.columns import Row
from core.config.setting_syntax import SYNONYMS
from core.errors import FerError
from core.runs.reader import RunSnapshot
from fer_tui.console.output import escape_control
from fer_tui.dialogs.export import ExportScreen, notify_exported
from fer_tui.key_labels import key_label
from fer_tui.state.loaded_model import model_access
from fer_tui.widgets.cross_table import WAITING, CrossTable
from fer_tui.widgets.path_input import PathInput
from fer_tui.widgets.run_names import model_and_digits
from fer_tui.widgets.safe_input import SafeInput

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from fer_tui.state.workbench import Workbench

START = "Press Enter to add a data set and to evaluate the runs on it."
ENTER_PATH = "Enter the path of a data set."
BUSY = "A training of this app is running. Evaluate after it, or with 'fer-tui evaluate' in another terminal."


class EvaluateScreen(ModalScreen[None]):
    """Evaluate runs on one data set after another; the table fills in cell by cell."""

    BINDING_GROUP_TITLE = "Runs on data sets"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "export", "Export", id="evaluate.export", tooltip="Write the table to a file"),
        Binding(
            "escape", "dismiss(None)", "Close", id="evaluate.close", tooltip="Close; stop after the current evaluation"
        ),
    ]
    AUTO_FOCUS = "#evaluate-path"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]  # noqa: RUF012

    class DatasetsRead(Message):
        """The worker has read a data set, or renamed the classes of all of them."""

        def __init__(self, datasets: Mapping[Path, Dataset], renamed: Mapping[Path, Dataset], classes: str) -> None:
            """`datasets` are as they were read, `renamed` have the classes of the text `classes`."""
            super().__init__()
            self.datasets, self.renamed, self.classes = datasets, renamed, classes

    class ReadingFailed(Message):
        """The worker could not read a data set or rename its classes."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Evaluated(Message):
        """The worker has evaluated a run on a data set; the row has an error if it failed."""

        def __init__(self, job: int, run: RunSnapshot, data: Path, row: Row, problems: Sequence[str]) -> None:
            super().__init__()
            self.job, self.run, self.data, self.row, self.problems = job, run, data, row, problems

    def __init__(self, runs: Sequence[RunSnapshot], told: str) -> None:
        """Store what to evaluate.

        Args:
            runs: the runs, one for each row of the table.
            told: a sentence about which runs these are.
        """
        super().__init__()
        self.runs, self._told = runs, told
        self.class_names = ""
        self.datasets: Mapping[Path, Dataset] = {}
        self.renamed: Mapping[Path, Dataset] = {}
        self.rows: dict[tuple[str, Path], Row] = {}
        self._problems: dict[tuple[str, Path], Sequence[str]] = {}
        # Evaluations of an older job used other class names and are ignored.
        self.job = 0
        self.reading: str | None = None
        self.evaluating: tuple[RunSnapshot, Path] | None = None

    @property
    def fer(self) -> Workbench:
        """The app, typed as `Workbench`."""
        return cast("Workbench", self.app)

    def compose(self) -> ComposeResult:
        """Yield the runs, the fields, the table, the progress, the note and the buttons."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Runs on data sets"
            yield Static(self._told, id="evaluate-runs", markup=False)
            with Horizontal(classes="field-line"):
                yield Static("Data set", classes="field-label")
                yield PathInput(
                    str(self.fer.data or ""),
                    id="evaluate-path",
                    placeholder="path of a folder of faces or of fer2013.csv",
                )
            with Horizontal(classes="field-line"):
                yield Static("Classes", classes="field-label")
                yield SafeInput(
                    id="evaluate-classes",
                    placeholder=f"empty, {SYNONYMS}, or pairs such as anger=angry",
                    suggester=SuggestFromList((SYNONYMS,)),
                    compact=True,
                    select_on_focus=False,
                )
            yield CrossTable(self.runs, id="cross-table")
            yield Static(START, id="evaluate-state", markup=False)
            yield Static(id="evaluate-note", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Evaluate", variant="primary", id="evaluate", compact=True)
                yield Button(
                    f"Export ({key_label(self, 'evaluate.export')})", id="export-rows", compact=True, disabled=True
                )
                yield Button(f"Close ({key_label(self, 'evaluate.close')})", id="close", compact=True)

    def on_mount(self) -> None:
        """Select the path of the open data set, so that a typed or pasted path replaces it."""
        self.query_one(PathInput).select_all()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable the export once a run is evaluated."""
        return action != "export" or bool(self.rows)

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.dismiss(None)

    # The data sets

    @on(Button.Pressed, "#evaluate")
    @on(Input.Submitted)
    def _asked(self) -> None:
        field = self.query_one(PathInput)
        path = field.path if field.value.strip() else None
        classes = self.query_one("#evaluate-classes", Input).value.strip()
        is_known = path is None or path in self.datasets
        if self.reading is not None:
            self._tell(f"{self.reading} is still being read. Press Enter again when it is in the table.")
        elif path is None and not (self.datasets and classes != self.class_names):
            self._tell(ENTER_PATH, is_problem=True)
        elif is_known and classes == self.class_names:
            self._tell(f"{path} is in the table already. {ENTER_PATH}", is_problem=True)
        elif self.fer.queue.is_busy:
            self._tell(BUSY, is_problem=True)
        else:
            self.reading = "The data set" if path is None else str(path)
            self._tell("")
            self._show_state()
            datasets = self.datasets
            self.run_worker(lambda: self._read(path, datasets, classes), thread=True, group="evaluate", name="read")

    # In the worker threads: they change no widget and only post messages

    def _read(self, path: Path | None, datasets: Mapping[Path, Dataset], classes: str) -> None:
        """Read the data set at `path` if it is new, and rename the classes of all data sets."""
        from core.data.class_names import rename_together
        from core.data.readers.reader_factory import read_dataset

        try:
            if path is not None and path not in datasets:
                datasets = {**datasets, path: read_dataset(path)}
            renamed = dict(zip(datasets, rename_together(list(datasets.values()), classes), strict=True))
        except FerError as error:
            self.post_message(self.ReadingFailed(str(error)))
        else:
            self.post_message(self.DatasetsRead(datasets, renamed, classes))

    def _evaluate(self, job: int, run: RunSnapshot, data: Path, dataset: Dataset) -> None:
        from core.comparison.cross_evaluation import cross_row
        from core.evaluation.inference import evaluate_run

        problems: list[str] = []
        try:
            with model_access("be evaluated"):
                if get_current_worker().is_cancelled:
                    return
                result, found = evaluate_run(run, dataset)
            row, problems = cross_row(run, data, result), [problem.message for problem in found]
        except FerError as error:
            row = cross_row(run, data, None, str(error))
        self.post_message(self.Evaluated(job, run, data, row, problems))

    # On the event loop

    @on(ReadingFailed)
    def _on_reading_failed(self, message: ReadingFailed) -> None:
        self.reading = None
        self._tell(message.text, is_problem=True)
        self._show_state()

    @on(DatasetsRead)
    def _on_datasets_read(self, message: DatasetsRead) -> None:
        table, field = self.query_one(CrossTable), self.query_one(PathInput)
        self.reading = None
        if message.classes != self.class_names:
            self.job += 1
            for run, data in self.rows:
                table.show_cell(run, data, WAITING)
            self.rows, self._problems = {}, {}
        added = [data for data in message.datasets if data not in self.datasets]
        for data in added:
            table.add_dataset(data)
            self._tell(" ".join(problem.message for problem in message.datasets[data].problems))
        self.datasets, self.renamed, self.class_names = message.datasets, message.renamed, message.classes
        if field.value.strip() and field.path in self.datasets:
            field.value = ""
        self._evaluate_next()

    def _evaluate_next(self) -> None:
        """Evaluate the next run on the next data set, unless an evaluation is in progress."""
        if self.evaluating is None:
            missing = ((run, data) for run in self.runs for data in self.renamed if (run.name, data) not in self.rows)
            self.evaluating = next(missing, None)
            if self.evaluating is not None:
                (run, data), job = self.evaluating, self.job
                dataset = self.renamed[data]
                self.run_worker(
                    lambda: self._evaluate(job, run, data, dataset), thread=True, group="evaluate", name="evaluate"
                )
        self._show_state()

    @on(Evaluated)
    def _on_evaluated(self, message: Evaluated) -> None:
        from core.comparison.cross_evaluation import cross_cell

        self.evaluating = None
        if message.job == self.job:
            place, row = (message.run.name, message.data), message.row
            self.rows[place], self._problems[place] = row, message.problems
            table = self.query_one(CrossTable)
            table.show_cell(*place, cross_cell(row), row["split"] or "")
            # A problem stays in the note, unless the user reads about another cell.
            if place == table.chosen_cell if table.has_focus else (row["error"] or message.problems):
                self._show_note(place)
        self._evaluate_next()

    @on(DataTable.CellHighlighted)
    def _cursor_moved(self) -> None:
        table = self.query_one(CrossTable)
        if table.has_focus and table.chosen_cell is not None:
            self._show_note(table.chosen_cell)

    def _show_note(self, place: tuple[str, Path]) -> None:
        """Describe an evaluation or its error."""
        row, (name, data) = self.rows.get(place), place
        run = next(model_and_digits(run) for run in self.runs if run.name == name)
        about = f"{run} on {data}"
        if row is None:
            self._tell(f"{about}: not evaluated yet")
        elif row["error"]:
            # Most errors about a data set start with its path.
            about = run if row["error"].startswith(str(data)) else about
            self._tell(f"{about}: {row['error']}", is_problem=True)
        else:
            figures = (
                "accuracy {accuracy:.4f}, balanced {balanced_accuracy:.4f}, "
                "macro F1 {macro_f1:.4f} ({macro_f1_low:.3f} to {macro_f1_high:.3f}), {images:,} images".format(**row)
            )
            self._tell(". ".join((f"{about}, {row['split']}: {figures}", *self._problems[place])))

    def _tell(self, text: str, *, is_problem: bool = False) -> None:
        note = self.query_one("#evaluate-note", Static)
        note.set_class(is_problem, "-problem")
        note.update(escape_control(text))

    def _show_state(self) -> None:
        """Show the progress, and a hint if the runs lack classes of a data set."""
        done, total = len(self.rows), len(self.runs) * len(self.renamed)
        failed = sum(bool(row["error"]) for row in self.rows.values())
        told = [f"Reading {self.reading} …"] if self.reading is not None else []
        if self.evaluating is not None:
            run, data = self.evaluating
            told.append(f"Evaluating {model_and_digits(run)} on {data.name or data} …")
        if total:
            told.append(f"{done} of {total} done" + (f", {failed} failed" if failed else ""))
        if self._has_synonyms():
            told.append(f"Class names differ: enter {SYNONYMS} in Classes")
        self.query_one("#evaluate-state", Static).update(escape_control("   ".join(told)) or START)
        self.query_one("#export-rows", Button).disabled = not self.rows
        self.refresh_bindings()

    def _has_synonyms(self) -> bool:
        """Return whether a data set has other words for classes of the runs."""
        from core.data.class_names import suggest_classes

        known = {name for run in self.runs for name in run.environment.get("classes", ())}
        unknown = [sorted({*dataset.classes} - known) for dataset in self.renamed.values()]
        return any(names and suggest_classes(names, known) == SYNONYMS for names in unknown)

    # The export

    def ordered_rows(self) -> list[Row]:
        """Return the rows of the evaluations so far, in the table's order."""
        places = ((run.name, data) for run in self.runs for data in self.datasets)
        return [self.rows[place] for place in places if place in self.rows]

    @on(Button.Pressed, "#export-rows")
    def action_export(self) -> None:
        """Ask for a path and a format, then write the table."""
        from core.comparison.cross_evaluation import format_cross_rows

        self.app.push_screen(
            ExportScreen(self.ordered_rows(), format_cross_rows, "export_on_data"),
            lambda path: notify_exported(self.app, path),
        )
