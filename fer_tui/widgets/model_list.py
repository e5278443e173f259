"""The list of models; several can be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from core.models.registry import MODELS, ModelSpec
from fer_tui.widgets.cells import TableCell, update_cells

COLUMNS = {"mark": ("   ", 3), "model": ("model", 13), "title": ("title", 27), "weights": ("weights", 7)} | {
    "input": ("input", 8),
    "epoch": ("epoch", 8),
}
RIGHT = ("weights", "input", "epoch")


class ModelList(DataTable[TableCell]):
    """One row per model; a check mark shows the chosen models."""

    BINDING_GROUP_TITLE = "Models"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "space,enter",
            "select_cursor",
            "Choose",
            key_display="space",
            id="train.choose",
            tooltip="Select or deselect the model",
        ),
        Binding("j", "cursor_down", "Next", show=False, id="model_list.down", tooltip="Next model"),
        Binding("k", "cursor_up", "Previous", show=False, id="model_list.up", tooltip="Previous model"),
    ]

    class Changed(Message):
        """The choice of models changed, or the cursor moved to another model."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=False)
        self._chosen: set[str] = set()
        self._times: Mapping[str, str] = {}

    def on_mount(self) -> None:
        """Add one row per model, in the registry's order."""
        for key, (title, width) in COLUMNS.items():
            self.add_column(TableCell(title, right=key in RIGHT), key=key, width=width)
        for spec in MODELS.values():
            self.add_row(*self._cells(spec), key=spec.name)

    @property
    def chosen(self) -> list[str]:
        """The names of the chosen models, in the list's order."""
        return [name for name in MODELS if name in self._chosen]

    @property
    def at_cursor(self) -> ModelSpec:
        """The model under the cursor."""
        return list(MODELS.values())[self.cursor_row]

    def choose(self, *names: str) -> None:
        """Choose only these models and move the cursor to the first; ignore unknown names."""
        self._chosen = {name for name in names if name in MODELS}
        if self._chosen:
            self.move_cursor(row=list(MODELS).index(self.chosen[0]))
        self._show()

    def show_times(self, times: Mapping[str, str]) -> None:
        """Show the estimated time per epoch of each model."""
        self._times = times
        self._show_cells()

    @on(DataTable.RowSelected)
    def _toggle(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self._chosen ^= {str(event.row_key.value)}
        self._show()

    def on_click(self, event: events.Click) -> None:
        """Toggle the model on the first click; a DataTable would only move the cursor."""
        row = event.style.meta.get("row", -1)
        if self.is_valid_row_index(row):
            event.prevent_default()
            event.stop()
            self.move_cursor(row=row)
            self.action_select_cursor()

    @on(DataTable.RowHighlighted)
    def _moved(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self.post_message(self.Changed())

    def _show(self) -> None:
        self._show_cells()
        self.post_message(self.Changed())

    def _show_cells(self) -> None:
        for spec in MODELS.values():
            update_cells(self, spec.name, list(COLUMNS), self._cells(spec))

    def _cells(self, spec: ModelSpec) -> list[TableCell]:
        is_chosen = spec.name in self._chosen
        side = spec.image_size
        return [
            TableCell("[x]" if is_chosen else "[ ]", self.app.theme_variables["accent"] if is_chosen else ""),
            TableCell(spec.name, "bold" if is_chosen else ""),
            TableCell(spec.title),
            TableCell(_in_thousands(spec.parameters), right=True),
            TableCell(f"{side}x{side}x{spec.channels}", right=True),
            TableCell(self._times.get(spec.name, ""), right=True),
        ]


def _in_thousands(count: int) -> str:
    """Return a number of weights in three digits, such as 572 k, 1.73 M or 173 M."""
    amount, unit = (count / 1e6, "M") if count >= 999_500 else (count / 1e3, "k")
    return f"{amount:.{0 if amount >= 99.95 else 1 if amount >= 9.995 else 2}f} {unit}"
