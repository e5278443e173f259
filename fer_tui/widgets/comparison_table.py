"""The table that compares runs, baselines and the article's models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from core.comparison.columns import COLUMNS, PUBLISHED_RUN, Row, is_reference
from core.comparison.table import best_figures, is_higher_better, sort_rows
from core.comparison.table_formats import cell, model_cell
from fer_tui.textual_private import set_column_labels
from fer_tui.widgets.cells import TableCell, update_cells
from fer_tui.widgets.run_names import short_name

# The most important columns come first.
ORDER = ("model", *(c for c in ("val_accuracy", "val_loss", "val_macro_f1", "val_balanced_accuracy", "train_accuracy")))
ORDER = (*ORDER, "epochs", "run", "warnings", *(c for c in COLUMNS if c not in (*ORDER, "epochs", "run", "warnings")))
WIDTHS = {"model": 19, "run": 16, "warnings": 22, "params": 11, "val_images": 10, "augmentation": 8}
BEST = "★"


def row_key(row: Row) -> str:
    """Return a row's unique key: the run or, for a reference row, its source, model and warnings."""
    details = f"\n{row['model']}\n{';'.join(row['warnings'])}" if is_reference(row) else ""
    return f"{row['run']}{details}"


class ComparisonTable(DataTable[TableCell]):
    """One row per run, baseline and article model; rows are updated in place."""

    BINDING_GROUP_TITLE = "Table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="comparison.down", tooltip="One row down"),
        Binding("k", "cursor_up", "Up", show=False, id="comparison.up", tooltip="One row up"),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, cursor_type="cell", fixed_columns=1)
        self.rows_shown: list[Row] = []
        self.sorted_by: str | None = None
        self.descending = False

    def on_mount(self) -> None:
        """Add the columns."""
        for column in ORDER:
            self.add_column(
                TableCell(""), key=column, width=WIDTHS.get(column, max(len(COLUMNS[column].heading) + 2, 9))
            )
        self._label()

    def show(self, rows: Sequence[Row]) -> None:
        """Show the rows of `core.comparison.table.compare`, in the chosen order."""
        self.rows_shown = sort_rows(rows, self.sorted_by, descending=self.descending)
        best, colours = best_figures(rows), self.app.theme_variables
        wanted = {row_key(row) for row in self.rows_shown}
        known = {str(row.key.value) for row in self.ordered_rows}
        for key in known - wanted:
            self.remove_row(key)
        for order, row in enumerate(self.rows_shown):
            key, cells = row_key(row), [_cell(column, row, best, colours, order) for column in ORDER]
            if key in known:
                update_cells(self, key, list(ORDER), cells)
            else:
                self.add_row(*cells, key=key)
        self.sort("model", key=lambda cell: cell.order)

    def sort_by(self, column: str) -> None:
        """Sort by a column, best first; a second call reverses the order, a third one removes it."""
        first = is_higher_better(column)
        if self.sorted_by != column:
            self.sorted_by, self.descending = column, first
        elif self.descending == first:
            self.descending = not first
        else:
            self.sorted_by = None
        self._label()

    def _label(self) -> None:
        """Mark the sorted column in the headings."""
        labels = {}
        for name in ORDER:
            arrow = (" ▼" if self.descending else " ▲") if name == self.sorted_by else ""
            labels[name] = TableCell(f"{COLUMNS[name].heading}{arrow}", right=COLUMNS[name].is_number)
        set_column_labels(self, labels)

    @property
    def chosen_column(self) -> str:
        """The name of the cursor's column."""
        return ORDER[self.cursor_column]

    @property
    def chosen_row(self) -> Row | None:
        """The cursor's row; None if the table is empty."""
        return self.rows_shown[self.cursor_row] if 0 <= self.cursor_row < len(self.rows_shown) else None

    def to_start(self) -> None:
        """Move the cursor to the first cell."""
        self.cursor_coordinate = Coordinate(0, 0)


def _run_cell(row: Row) -> str:
    if row["run"] == PUBLISHED_RUN:
        return "article"
    return f"{row['seeds']} runs" if (row["seeds"] or 1) > 1 else short_name(row["run"])


def _cell(column: str, row: Row, best: Mapping[str, float], colours: Mapping[str, str], order: int) -> TableCell:
    text = cell(column, row[column])
    is_ours = not is_reference(row)
    style = "" if is_ours else "dim italic" if row["run"] == PUBLISHED_RUN else "dim"
    if column == "run":
        text = _run_cell(row)
    if column == "model":
        text = model_cell(row)
    if column == "warnings" and text:
        style = colours["warning"] if is_ours else style
    if COLUMNS[column].is_judged:
        is_best = is_ours and not row["control"] and row[column] is not None and row[column] == best.get(column)
        text, style = f"{text} {BEST if is_best else ' '}", f"bold {colours['success']}" if is_best else style
    return TableCell(text, style, right=COLUMNS[column].is_number, order=order)
