"""The Compare screen: runs, baselines and the article's results in one table that can be exported."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Static

from core.comparison import article
from core.comparison.columns import BASELINES, PUBLISHED_RUN, Row, run_names
from core.comparison.table import compare
from core.comparison.table_formats import format_table
from core.errors import FerError, pluralize
from core.runs.predictions import read_predictions
from core.runs.reader import RunSnapshot
from core.runs.run_selection import evaluated_runs
from fer_tui.console.output import escape_control
from fer_tui.key_labels import tab_label
from fer_tui.screens.mode_screen import RunsModeScreen
from fer_tui.widgets.accuracy_graph import AccuracyGraph
from fer_tui.widgets.comparison_table import BEST, ComparisonTable
from fer_tui.widgets.menu import MenuScreen
from fer_tui.widgets.run_names import model_and_digits, run_line

EMPTY = """Nothing to compare yet. A run appears in the table when its first epoch is done.

{train}: choose models and start training. Or run this command:

  fer-tui train --data PATH --model compact --model model2

The table already shows the article's rows. Highlight a row to read about its metrics."""
BASELINE_NOTES = {
    "majority": "accuracy of always predicting the most common class of train",
    "chance": "accuracy of guessing uniformly at random",
}


class CompareScreen(RunsModeScreen):
    """The table, its graph and a note on the cursor's row."""

    MODE = "compare"
    AUTO_FOCUS = "ComparisonTable"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]  # noqa: RUF012
    BINDING_GROUP_TITLE = "Comparison"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "s",
            "sort",
            "Sort",
            id="compare.sort",
            tooltip="Sort by the cursor's column; again: reverse; again: unsorted",
        ),
        Binding("g", "graph", "Graph", id="compare.graph", tooltip="Show or hide the accuracy graph"),
        Binding("a", "article", "Article", id="compare.article", tooltip="Hide or show the article's rows"),
        Binding(
            "f",
            "average_seeds",
            "Average",
            id="compare.fold",
            tooltip="Average runs that differ only in their seed into one row",
        ),
        Binding("t", "test", "Test", id="compare.test", tooltip="Test whether two runs differ by more than chance"),
        Binding("v", "on_data", "On data", id="compare.on_data", tooltip="Evaluate the runs on other data sets"),
        Binding("i", "inspect", "Inspect", id="compare.inspect", tooltip="Show the run's confusion matrix"),
        Binding("e", "export", "Export", id="compare.export", tooltip="Write the table to a file"),
        Binding("c", "copy", "Copy CSV", id="compare.copy", tooltip="Copy the table to the clipboard as CSV"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.with_article = True
        self.averages_seeds = False
        self.tested: list[str] = []
        self.rows: list[Row] = []
        self._rendered_state: tuple[object, ...] = ()

    def compose_mode(self) -> ComposeResult:
        """Yield the summary line, the table, the graph and the note on the cursor's row."""
        yield Static(id="compared", classes="note", markup=False)
        yield Static(EMPTY.format(train=tab_label(self, "train")), id="compare-empty", markup=False)
        yield ComparisonTable(id="comparison")
        yield AccuracyGraph(id="accuracy")
        yield Static(id="row-note", markup=False)

    def forget(self) -> None:
        """Make the next `show_runs` draw the table again."""
        self._rendered_state = ()

    def compared_runs(self) -> list[RunSnapshot]:
        """Return the marked runs or, if none is marked, every run with a complete epoch."""
        runs = self.fer.runs or ()
        return [run for run in runs if run.name in self.fer.marked] or [run for run in runs if run.history]

    def render_runs(self, runs: tuple[RunSnapshot, ...]) -> None:
        """Compare the runs if the table's content has changed."""
        compared = self.compared_runs()
        # A heartbeat changes a run's status but no cell of the table.
        shown = (
            self.with_article,
            self.averages_seeds,
            *((run.name, run.state, run.history, run.evaluation) for run in compared),
            sum(bool(run.problem) for run in runs),
        )
        if shown == self._rendered_state:
            return
        self._rendered_state = shown
        self.rows = compare(compared, with_published=self.with_article, average_seeds=self.averages_seeds)
        which = "marked" if self.fer.marked else "with a complete epoch"
        with self.app.batch_update():
            self.set_class(not compared, "-empty")
            counted = "1 run" if len(compared) == 1 else f"{len(compared)} runs"
            averaged = "   means over seeds" if self.averages_seeds else ""
            damaged = sum(bool(run.problem) for run in runs)
            unread = f"   {pluralize(damaged, 'run')} can't be read, see {tab_label(self, 'runs')}" if damaged else ""
            told = f"{counted} ({which})   {BEST} best of our runs{averaged}{unread}"
            self.query_one("#compared", Static).update(told)
            self.query_one(ComparisonTable).show(self.rows)
            self.query_one(AccuracyGraph).show(self.rows)
            self._tell_row()

    @property
    def chosen(self) -> RunSnapshot | None:
        """The cursor's run, or the first run of an averaged row; None for a baseline or an article row."""
        row = self.query_one(ComparisonTable).chosen_row
        return next((run for run in self.fer.runs or () if row and run.name in run_names(row)), None)

    def action_inspect(self) -> None:
        """Open the Inspect screen for the cursor's run."""
        if self.chosen:
            self.fer.inspect_run(self.chosen.name)

    def action_average_seeds(self) -> None:
        """Toggle between one row per configuration and one row per run."""
        self.averages_seeds = not self.averages_seeds
        self.tested = []
        self.show_runs()

    def action_test(self) -> None:
        """Ask which run to compare with the cursor's run."""
        first = self.chosen
        if first:
            others = [(run_line(run), run) for run in evaluated_runs(self.fer.runs or ()) if run is not first]
            menu = MenuScreen(f"Compare {model_and_digits(first)} with", others, None)
            self.app.push_screen(menu, lambda second: self._test(first, second))

    def _test(self, first: RunSnapshot, second: RunSnapshot | None) -> None:
        if second is not None:
            self.run_worker(lambda: self._read_both(first, second), thread=True, group="test", name="test")

    def _read_both(self, first: RunSnapshot, second: RunSnapshot) -> None:
        """Read both runs' predictions and describe the test's result; called in a worker thread."""
        from core.evaluation.statistics import compare_predictions, describe_difference

        try:
            difference = compare_predictions(read_predictions(first.path), read_predictions(second.path))
            told = describe_difference(difference, model_and_digits(first), model_and_digits(second))
        except FerError as error:
            told = [str(error)]
        self.app.call_from_thread(self._tell_test, told)

    def _tell_test(self, told: list[str]) -> None:
        self.tested = told
        self._tell_row()

    def runs_to_evaluate(self) -> list[RunSnapshot]:
        """Return the marked runs or, if none is marked, the cursor's run and then all completed runs."""
        runs, first = self.fer.runs or (), self.chosen
        if self.fer.marked:
            return [run for run in runs if run.name in self.fer.marked]
        return [*([first] if first else []), *(run for run in runs if run.state == "completed" and run is not first)]

    def action_on_data(self) -> None:
        """Evaluate the runs on data sets that the user chooses."""
        from fer_tui.dialogs.evaluate import EvaluateScreen

        runs = self.runs_to_evaluate()
        told = pluralize(len(runs), "marked run" if self.fer.marked else "run")
        if not self.fer.marked and len(runs) > 1:
            told += ": the highlighted one and all completed. Mark runs to choose."
        self.app.push_screen(EvaluateScreen(runs, told))

    @on(DataTable.CellHighlighted)
    def _cursor_moved(self) -> None:
        self.tested = []
        self._tell_row()

    def _tell_row(self) -> None:
        self.refresh_bindings()
        row = self.query_one(ComparisonTable).chosen_row
        told = self.tested or ([self._note(row)] if row else [])
        self.query_one("#row-note", Static).update("\n".join(map(escape_control, told)))

    def _note(self, row: Row) -> str:
        """Return a note that explains the row's metrics or lists the run's warnings."""
        if row["run"] == PUBLISHED_RUN:
            note = next(result.note for result in article.RESULTS if result.model == row["model"])
            return f"{row['model']} as printed in the article; {note}"
        if row["run"] in BASELINES:
            return f"{row['model']}: {BASELINE_NOTES[row['run']]}"
        run = self.chosen
        told = [warning.get("message", "") for warning in run.warnings] if run else []
        return ". ".join([str(row["run"]), *told])

    @on(DataTable.HeaderSelected)
    def _sort_clicked(self, event: DataTable.HeaderSelected) -> None:
        self._sort(str(event.column_key.value))

    def action_sort(self) -> None:
        """Sort by the cursor's column."""
        self._sort(self.query_one(ComparisonTable).chosen_column)

    def _sort(self, column: str) -> None:
        table = self.query_one(ComparisonTable)
        with self.app.batch_update():
            table.sort_by(column)
            table.show(self.rows)
            self._tell_row()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable actions that apply to the cursor's row; disable sorting while the graph replaces the table."""
        if not self.is_mounted:
            return True
        if action == "inspect":
            return self.chosen is not None
        if action == "test":
            testable = evaluated_runs(self.fer.runs or ())
            return self.chosen in testable and len(testable) > 1
        if action == "on_data":
            return bool(self.runs_to_evaluate())
        if action == "average_seeds":
            return bool(self.fer.runs)
        return action != "sort" or self.query_one(ComparisonTable).display

    def action_graph(self) -> None:
        """Toggle the graph."""
        self.toggle_class("-toggled")
        self.call_after_refresh(self._after_graph)

    def _after_graph(self) -> None:
        """Focus the table if it is displayed."""
        if self.query_one(ComparisonTable).display:
            self.query_one(ComparisonTable).focus()
        self.refresh_bindings()

    def action_article(self) -> None:
        """Hide or show the article's rows."""
        self.with_article = not self.with_article
        self.show_runs()

    def export_rows(self) -> list[Row]:
        """Return the rows in the table's order."""
        return list(self.query_one(ComparisonTable).rows_shown)

    def action_export(self) -> None:
        """Ask for a path and a format, then write the table."""
        from fer_tui.dialogs.export import ExportScreen, notify_exported

        self.app.push_screen(ExportScreen(self.export_rows()), lambda path: notify_exported(self.app, path))

    def action_copy(self) -> None:
        """Copy the table as CSV."""
        self.app.copy_to_clipboard(format_table(self.export_rows(), "csv"))
        self.notify(f"{len(self.export_rows())} rows as CSV", title="Copied", markup=False)
