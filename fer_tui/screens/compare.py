"""Runs, the baselines of their data and the article's figures in one table, to be taken away."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Static

from core import published
from core.comparison import BASELINES, PUBLISHED, Row, compare, write_table
from core.runs import RunSnapshot
from fer_tui.output import visible
from fer_tui.screens.mode_screen import ModeScreen
from fer_tui.widgets.comparison_table import BEST, ComparisonTable

EMPTY = """Nothing to compare yet: a run comes into the table when its first epoch is done.

  fer-tui train --data PATH --model compact --model model2

The article's rows stand here already; its figures are explained when you put the cursor on them."""
BASELINE_NOTES = {
    "majority": "what always giving the commonest class of train scores",
    "chance": "what guessing evenly scores",
}


class CompareScreen(ModeScreen):
    """The comparison."""

    MODE = "compare"
    AUTO_FOCUS = "ComparisonTable"
    BINDING_GROUP_TITLE = "Comparison"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "s",
            "sort",
            "Sort",
            id="compare.sort",
            tooltip="By the cursor's column; again the other way; then as it was",
        ),
        Binding("a", "article", "Article", id="compare.article", tooltip="Hide or show the article's rows"),
        Binding("e", "export", "Export", id="compare.export", tooltip="Write the table to a file"),
        Binding("c", "copy", "Copy CSV", id="compare.copy", tooltip="Put the table on the clipboard as CSV"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.with_article = True
        self.rows: list[Row] = []
        self._of: tuple[object, ...] = ()

    def compose_mode(self) -> ComposeResult:
        """What is compared, the table, and what there is to say of the cursor's row."""
        yield Static(id="compared", classes="note", markup=False)
        yield Static(EMPTY, id="compare-empty", markup=False)
        yield ComparisonTable(id="comparison")
        yield Static(id="row-note", markup=False)

    def on_mount(self) -> None:
        """Follow the app's snapshots."""
        self.watch(self.app, "runs", self.show_runs)
        self.watch(self.app, "marked", self.show_runs, init=False)
        self.watch(self.app, "theme", self._repaint, init=False)

    def on_screen_resume(self) -> None:
        """Show what came while another mode was open."""
        self.show_runs()

    def _repaint(self) -> None:
        self._of = ()
        self.call_after_refresh(self.show_runs)

    def compared(self) -> list[RunSnapshot]:
        """The marked runs, else all that have an epoch."""
        runs = self.fer.runs or ()
        return [run for run in runs if run.name in self.fer.marked] or [run for run in runs if run.history]

    def show_runs(self) -> None:
        """Render the app's snapshots."""
        if self.fer.runs is None or not self.is_mounted or self.fer.mode_screen is not self:
            return
        runs = self.compared()
        # A heartbeat changes a run's status, and nothing that stands in the table.
        shown = (self.with_article, *((run.name, run.state, run.history, run.evaluation) for run in runs))
        if shown == self._of:
            return
        self._of = shown
        self.rows = compare(runs, with_published=self.with_article)
        which = "marked" if self.fer.marked else "with an epoch"
        with self.app.batch_update():
            self.set_class(not runs, "-empty")
            self.query_one("#compared", Static).update(f"{len(runs)} runs ({which})   {BEST} the best of our runs")
            self.query_one(ComparisonTable).show(self.rows)
            self._tell_row()

    @on(DataTable.CellHighlighted)
    def _tell_row(self) -> None:
        row = self.query_one(ComparisonTable).chosen_row
        self.query_one("#row-note", Static).update(visible(self._note(row)) if row else "")

    def _note(self, row: Row) -> str:
        """What the figures of a row mean, in words."""
        if row["run"] == PUBLISHED:
            note = next(result.note for result in published.RESULTS if result.model == row["model"])
            return f"{row['model']} as printed in the article; {note}"
        if row["run"] in BASELINES:
            return f"{row['model']}: {BASELINE_NOTES[row['run']]}"
        run = next((run for run in self.fer.runs or () if run.name == row["run"]), None)
        told = [str(warning.get("message", "")) for warning in run.warnings] if run else []
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

    def action_article(self) -> None:
        """Hide or show the article's rows."""
        self.with_article = not self.with_article
        self.show_runs()

    def exported(self) -> list[Row]:
        """The rows as they stand in the table."""
        return list(self.query_one(ComparisonTable).rows_shown)

    def action_export(self) -> None:
        """Ask where to, and write."""
        from fer_tui.screens.export import ExportScreen

        self.app.push_screen(ExportScreen(self.exported()), self._exported)

    def _exported(self, path: str | None) -> None:
        if path:
            self.notify(visible(path), title="Downloaded" if self.app.is_web else "Written", markup=False)

    def action_copy(self) -> None:
        """Copy the table as CSV."""
        self.app.copy_to_clipboard(write_table(self.exported(), "csv"))
        self.notify(f"{len(self.exported())} rows as CSV", title="Copied", markup=False)
