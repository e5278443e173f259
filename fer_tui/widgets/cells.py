"""Table cells for text from disk: they escape control characters and ignore markup."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import DataTable

from fer_tui.console.output import escape_control


class TableCell(Text):
    """A table cell of one line; text that is too long ends in an ellipsis.

    Attributes:
        order: the sort key of the cell's row.
    """

    def __init__(self, text: str, style: str = "", *, right: bool = False, order: int | str = 0) -> None:
        super().__init__(
            escape_control(text), style=style, justify="right" if right else "left", no_wrap=True, overflow="ellipsis"
        )
        self.order = order


def update_cells(table: DataTable[TableCell], key: str, columns: list[str], cells: list[TableCell]) -> None:
    """Update the cells of a row that changed."""
    for column, cell in zip(columns, cells, strict=True):
        before = table.get_cell(key, column)
        if (before.plain, before.style) != (cell.plain, cell.style):
            table.update_cell(key, column, cell)
        else:
            before.order = cell.order
