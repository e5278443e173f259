"""Asks for one of several values."""

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
    """The chosen value, or None where it stays as it is."""

    BINDING_GROUP_TITLE = "Menu"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="menu.cancel", tooltip="Leave it as it is"),
        Binding("j", "move('down')", "Down", show=False, id="menu.down", tooltip="One line down"),
        Binding("k", "move('up')", "Up", show=False, id="menu.up", tooltip="One line up"),
    ]
    AUTO_FOCUS = "#menu"

    def __init__(self, heading: str, options: Sequence[tuple[str, T]], chosen: T | None) -> None:
        """Keep what there is to choose.

        Args:
            heading: what is chosen.
            options: a line and its value each.
            chosen: the value in force, on which the cursor begins.
        """
        super().__init__()
        self.heading, self.options, self.chosen = heading, options, chosen

    def compose(self) -> ComposeResult:
        """The list."""
        lines = [Text(escape_control(line), no_wrap=True, overflow="ellipsis") for line, _ in self.options]
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = escape(self.heading)
            dialog.border_subtitle = "enter chooses, esc cancels"
            yield OptionList(*lines, id="menu", markup=False, compact=True)

    def on_mount(self) -> None:
        """Begin on the value in force."""
        values = [value for _, value in self.options]
        self.query_one(OptionList).highlighted = values.index(self.chosen) if self.chosen in values else 0

    def action_move(self, direction: str) -> None:
        """Move as the arrows do."""
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if direction == "down" else choices.action_cursor_up()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer by Enter or mouse."""
        self.dismiss(self.options[event.option_index][1])
