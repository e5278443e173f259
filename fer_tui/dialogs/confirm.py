"""The dialog that asks a yes-or-no question."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from fer_tui.key_labels import key_label


class ConfirmScreen(ModalScreen[bool]):
    """Confirm an action that cannot be undone; the "no" button has the focus."""

    BINDING_GROUP_TITLE = "Question"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes", tooltip="Confirm"),
        Binding("n,escape", "answer(False)", "No", id="confirm.no", tooltip="Cancel"),
        Binding("left", "app.focus_previous", "Previous", show=False, id="confirm.left", tooltip="Previous button"),
        Binding("right", "app.focus_next", "Next", show=False, id="confirm.right", tooltip="Next button"),
    ]
    AUTO_FOCUS = "#no"

    def __init__(self, question: str, yes: str) -> None:
        """Store the dialog's texts.

        Args:
            question: the question, with control characters already escaped.
            yes: the label of the confirming button.
        """
        super().__init__()
        self.question = question
        self.yes = yes

    def compose(self) -> ComposeResult:
        """Yield the question and two buttons."""
        with Vertical(classes="dialog"):
            yield Static(self.question, markup=False, classes="question")
            with Horizontal(classes="buttons"):
                yield Button(f"{self.yes} ({key_label(self, 'confirm.yes')})", variant="error", id="yes", compact=True)
                yield Button(f"Cancel ({key_label(self, 'confirm.no')})", id="no", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Dismiss with the pressed button's answer."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Dismiss with the answer."""
        self.dismiss(answer)
