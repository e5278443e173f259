"""Asks for a path."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from fer_tui.keys import shown_key
from fer_tui.widgets.path_input import PathInput


class AskPathScreen(ModalScreen[str | None]):
    """A path, or None where nothing shall be done."""

    BINDING_GROUP_TITLE = "Path"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="ask.cancel", tooltip="Do nothing"),
    ]
    AUTO_FOCUS = "#asked-path"

    def __init__(self, title: str, note: str, value: str, action: str) -> None:
        """Ask for a path.

        Args:
            title: what it is for.
            note: what will happen.
            value: the path to begin with.
            action: what the button says.
        """
        super().__init__()
        self.told = (title, note, value, action)

    def compose(self) -> ComposeResult:
        """Words, field, buttons."""
        title, note, value, action = self.told
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = title
            yield Static(note, markup=False, classes="question")
            yield PathInput(value, id="asked-path", folders_only=True)
            with Horizontal(classes="buttons"):
                yield Button(action, variant="primary", id="do", compact=True)
                yield Button(f"Cancel ({shown_key(self, 'ask.cancel')})", id="cancel", compact=True)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Do nothing."""
        self.dismiss(None)

    @on(Button.Pressed, "#do")
    @on(Input.Submitted)
    def _answer(self) -> None:
        self.dismiss(self.query_one(Input).value.strip() or None)
