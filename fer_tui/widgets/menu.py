"""The dialog that asks for one of several values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.markup import escape
from textual.screen import ModalScreen
from textual.widgets import OptionList

from fer_tui.console.output import escape_control

T = TypeVar("T")


class MenuScreen(ModalScreen[T | None], Generic[T]):
    """Ask for one value; the result is the chosen value, or None if the user cancels."""

    BINDING_GROUP_TITLE = "Menu"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="menu.cancel", tooltip="Cancel"),
        Binding("j", "move('down')", "Down", show=False, id="menu.down", tooltip="One line down"),
        Binding("k", "move('up')", "Up", show=False, id="menu.up", tooltip="One line up"),
    ]
    AUTO_FOCUS = "#menu"

    def __init__(self, heading: str, options: Sequence[tuple[str, T]], chosen: T | None) -> None:
        """Store the menu's title and options.

        Args:
            heading: the menu's title.
            options: (line, value) pairs.
            chosen: the current value, where the cursor starts.
        """
        super().__init__()
        self.heading, self.options, self.chosen = heading, options, chosen

    def compose(self) -> ComposeResult:
        """Yield the list of options."""
        lines = [Text(escape_control(line), no_wrap=True, overflow="ellipsis") for line, _ in self.options]
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = escape(self.heading)
            dialog.border_subtitle = "enter chooses, esc cancels"
            yield OptionList(*lines, id="menu", markup=False, compact=True)

    def on_mount(self) -> None:
        """Move the cursor to the current value."""
        values = [value for _, value in self.options]
        self.query_one(OptionList).highlighted = values.index(self.chosen) if self.chosen in values else 0

    def action_move(self, direction: str) -> None:
        """Move the cursor, as the arrow keys do."""
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if direction == "down" else choices.action_cursor_up()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Dismiss with the selected value."""
        self.dismiss(self.options[event.option_index][1])
