"""The table of runs by data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from core.runs.reader import RunSnapshot
from fer_tui.textual_private import set_column_labels
from fer_tui.widgets.cells import TableCell, update_cells
from fer_tui.widgets.run_names import model_and_digits

WAITING = "…"
# The width of "0.7107 (0.675 to 0.745)".
WIDTH = 23


class CrossTable(DataTable[TableCell]):
    """One row per run and one column per data set. A cell that is not yet evaluated has an ellipsis."""

    BINDING_GROUP_TITLE = "Table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="cross_table.down", tooltip="One row down"),
        Binding("k", "cursor_up", "Up", show=False, id="cross_table.up", tooltip="One row up"),
    ]

    def __init__(self, runs: Sequence[RunSnapshot], *, id: str) -> None:
        """Store the runs, one for each row."""
        super().__init__(id=id, cursor_type="cell", fixed_columns=1)
        self._runs = runs
        self._splits: dict[Path, str] = {}

    def on_mount(self) -> None:
        """Add the rows."""
        names = [model_and_digits(run) for run in self._runs]
        self.add_column(TableCell("run"), key="run", width=min(max(map(len, names), default=0), WIDTH))
        for run, name in zip(self._runs, names, strict=True):
            self.add_row(TableCell(name), key=run.name)

    def add_dataset(self, data: Path) -> None:
        """Add a column of cells that are not yet evaluated."""
        self.add_column(TableCell(""), key=str(data), width=WIDTH, default=TableCell(WAITING, "dim"))
        self._splits[data] = ""
        self._label()

    def show_cell(self, run: str, data: Path, text: str, split: str = "") -> None:
        """Show the metric of a run on a data set, or another text.

        Args:
            run: the run's name.
            data: the data set.
            text: the cell's text.
            split: the split that the run was evaluated on; empty if it was not.
        """
        update_cells(self, run, [str(data)], [TableCell(text, "dim" if text == WAITING else "")])
        if split and split != self._splits[data]:
            self._splits[data] = split
            self._label()

    @property
    def chosen_cell(self) -> tuple[str, Path] | None:
        """The run's name and the data set of the cursor's cell; None in the column of the runs."""
        row, column = self.cursor_coordinate
        if not (0 <= row < len(self._runs) and 0 < column <= len(self._splits)):
            return None
        return self._runs[row].name, list(self._splits)[column - 1]

    def _label(self) -> None:
        """Name each data set and its split in the headings."""
        names = [data.name for data in self._splits]
        labels = {}
        for data, split in self._splits.items():
            # Data sets with the same name are told apart by their parent folders.
            name = data.name if names.count(data.name) == 1 else f"{data.absolute().parent.name}/{data.name}"
            after = f" ({split})" if split else ""
            label = TableCell(name or str(data))
            label.truncate(max(WIDTH - len(after), WIDTH // 3), overflow="ellipsis")
            labels[str(data)] = TableCell(f"{label.plain}{after}")
        set_column_labels(self, labels)
