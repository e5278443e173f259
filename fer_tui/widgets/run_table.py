"""The list of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from core.runs.reader import RunSnapshot
from fer_tui.console.state_colours import theme_colour
from fer_tui.widgets.cells import TableCell, update_cells
from fer_tui.widgets.run_names import short_name

# Titles and widths, including a gap of one cell, so that the plot fits beside the table in 100 columns.
COLUMNS = {"mark": (" ", 3), "run": ("run (UTC)", 17), "model": ("model", 13), "state": ("state", 12)} | {
    "epochs": ("epochs", 7),
    "val_accuracy": ("val acc", 8),
}


def matches(run: RunSnapshot, words: str) -> bool:
    """Return whether every word is in the run's name, model or state."""
    text = f"{run.name} {short_name(run.name)} {run.model} {run.state}".casefold()
    return all(word in text for word in words.casefold().split())


class RunTable(DataTable[TableCell]):
    """One row per run, newest first; rows are updated in place to keep the cursor and the scroll position."""

    BINDING_GROUP_TITLE = "Runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Next", show=False, id="run_table.down", tooltip="Next run"),
        Binding("k", "cursor_up", "Previous", show=False, id="run_table.up", tooltip="Previous run"),
        Binding("home", "scroll_top", "First", show=False, id="run_table.first", tooltip="Newest run"),
        Binding("end", "scroll_bottom", "Last", show=False, id="run_table.last", tooltip="Oldest run"),
    ]

    class Chosen(Message):
        """The cursor moved to another run; None if the list is empty."""

        def __init__(self, name: str | None) -> None:
            super().__init__()
            self.name = name

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=False, cell_padding=0)
        self.chosen: str | None = None
        # The inputs of each row; an unchanged snapshot stays the same object.
        self._made_of: dict[str, tuple[RunSnapshot, tuple[str, str], dict[str, str]]] = {}

    def on_mount(self) -> None:
        """Add the columns."""
        for key, (title, width) in COLUMNS.items():
            self.add_column(TableCell(title, right=key in ("epochs", "val_accuracy")), key=key, width=width)

    def show(self, runs: Sequence[RunSnapshot], marks: Mapping[str, tuple[str, str]]) -> None:
        """Show the runs.

        Args:
            runs: the runs, newest first.
            marks: the marker and the theme variable of its colour, by the name of a marked run.
        """
        colours = self.app.theme_variables
        wanted = {run.name: run for run in runs}
        before = [str(row.key.value) for row in self.ordered_rows]
        at = self.cursor_row
        changed = False
        for name in before:
            if name not in wanted:
                self.remove_row(name)
                del self._made_of[name]
                changed = True
        known = set(before)
        for run in runs:
            mark = marks.get(run.name, (" ", "accent"))
            made_of = self._made_of.get(run.name)
            if made_of and made_of[0] is run and made_of[1:] == (mark, colours):
                continue
            self._made_of[run.name] = run, mark, colours
            cells = _cells(run, mark, colours)
            if run.name in known:
                update_cells(self, run.name, list(COLUMNS), cells)
            else:
                self.add_row(*cells, key=run.name)
                changed = True
        if changed:
            # Names start with the time, so a new run does not reorder the others.
            self.sort("run", key=lambda cell: cell.order, reverse=True)
            self._hold_cursor(at)

    def _hold_cursor(self, at: int) -> None:
        """Keep the cursor on its run or, if the run is gone, at its position."""
        if self.chosen is not None and self.chosen in {row.key.value for row in self.ordered_rows}:
            at = self.get_row_index(self.chosen)
        if self.row_count:
            self.move_cursor(row=min(at, self.row_count - 1))
        self._tell()

    def choose(self, name: str) -> None:
        """Move the cursor to a run in the list."""
        self.move_cursor(row=self.get_row_index(name))
        self._tell()

    def on_data_table_row_highlighted(self) -> None:
        """Post `Chosen` if the run under the cursor changed."""
        self._tell()

    def _tell(self) -> None:
        chosen = None
        if self.is_valid_row_index(self.cursor_row):
            chosen = str(self.ordered_rows[self.cursor_row].key.value)
        if chosen != self.chosen:
            self.chosen = chosen
            self.post_message(self.Chosen(chosen))


def _cells(run: RunSnapshot, mark: tuple[str, str], colours: dict[str, str]) -> list[TableCell]:
    kept = run.kept_epoch() or {}
    accuracy = kept.get("val_accuracy", float("nan"))
    return [
        TableCell(f" {mark[0]}", colours[mark[1]]),
        TableCell(short_name(run.name), order=run.name),
        TableCell(run.model),
        TableCell(run.state, theme_colour(run.state, colours)),
        TableCell(f"{len(run.history)}/{run.config.get('epochs', '?')}", right=True),
        TableCell(f"{accuracy:.4f}" if accuracy == accuracy else "", right=True),
    ]
