"""A question that wants yes or no."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from fer_tui.key_labels import key_label


class ConfirmScreen(ModalScreen[bool]):
    """Asks before something that can't be taken back; "no" has the focus."""

    BINDING_GROUP_TITLE = "Question"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes", tooltip="Do it"),
        Binding("n,escape", "answer(False)", "No", id="confirm.no", tooltip="Leave it as it is"),
        Binding("left", "app.focus_previous", "Previous", show=False, id="confirm.left", tooltip="The other button"),
        Binding("right", "app.focus_next", "Next", show=False, id="confirm.right", tooltip="The other button"),
    ]
    AUTO_FOCUS = "#no"

    def __init__(self, question: str, yes: str) -> None:
        """Ask a question.

        Args:
            question: what is asked, already fit to be shown.
            yes: what the button that does it says.
        """
        super().__init__()
        self.question = question
        self.yes = yes

    def compose(self) -> ComposeResult:
        """The question and two buttons."""
        with Vertical(classes="dialog"):
            yield Static(self.question, markup=False, classes="question")
            with Horizontal(classes="buttons"):
                yield Button(f"{self.yes} ({key_label(self, 'confirm.yes')})", variant="error", id="yes", compact=True)
                yield Button(f"Cancel ({key_label(self, 'confirm.no')})", id="no", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer by mouse or Enter."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Answer by key."""
        self.dismiss(answer)
