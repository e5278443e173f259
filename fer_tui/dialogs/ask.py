"""Base class of the dialogs with one text field."""

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
    """Ask for one value; the result is the value, or None if the user cancels."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="ask.cancel", tooltip="Do nothing"),
    ]
    AUTO_FOCUS = "Input"

    def __init__(self, title: str, question: str, action: str) -> None:
        """Store the dialog's texts.

        Args:
            title: the dialog's title.
            question: the text above the field.
            action: the button's label.
        """
        super().__init__()
        self._told = (title, question, action)

    def compose_field(self) -> ComposeResult:
        """Yield the text field."""
        raise NotImplementedError

    def submit(self, text: str) -> None:
        """Dismiss with the typed value, or show what is wrong with it."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Yield the question, the field and the buttons."""
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
        """Dismiss without a value."""
        self.dismiss(None)

    @on(Button.Pressed, "#do")
    @on(Input.Submitted)
    def _answered(self) -> None:
        self.submit(self.query_one(Input).value)
