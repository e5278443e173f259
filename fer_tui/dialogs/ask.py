"""Dialogs that ask for one thing to be typed."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from fer_tui.key_labels import key_label

T = TypeVar("T")


class AskScreen(ModalScreen[T | None], Generic[T]):
    """What was typed, or None where nothing shall be done."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="ask.cancel", tooltip="Do nothing"),
    ]
    AUTO_FOCUS = "Input"

    def __init__(self, title: str, question: str, action: str) -> None:
        """What is asked.

        Args:
            title: what it is for.
            question: in words.
            action: what the button says.
        """
        super().__init__()
        self._told = (title, question, action)

    def compose_field(self) -> ComposeResult:
        """Where it is typed."""
        raise NotImplementedError

    def submit(self, text: str) -> None:
        """Dismiss with what was typed, or say what is wrong with it."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Words, field, buttons."""
        title, question, action = self._told
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = title
            yield Static(question, markup=False, classes="question")
            yield from self.compose_field()
            with Horizontal(classes="buttons"):
                yield Button(action, variant="primary", id="do", compact=True)
                yield Button(f"Cancel ({key_label(self, 'ask.cancel')})", id="cancel", compact=True)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Do nothing."""
        self.dismiss(None)

    @on(Button.Pressed, "#do")
    @on(Input.Submitted)
    def _answered(self) -> None:
        self.submit(self.query_one(Input).value)
