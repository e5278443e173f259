"""What is shown between the wish to leave and the end of the batch under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from fer_tui.key_labels import key_label

if TYPE_CHECKING:
    from fer_tui.state.workbench import Workbench

TEXT = (
    "Stopping after the batch under way; the last whole epoch is kept, and resume goes on from it.\n\n"
    "While TensorFlow loads or traces the first step this takes some seconds."
)


class LeavingScreen(ModalScreen[None]):
    """Waits for the training to end; leaves at once where that is asked for."""

    BINDING_GROUP_TITLE = "Leaving"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+q", "force", "Leave at once", id="leaving.force", tooltip="Lose the epoch under way"),
    ]

    def compose(self) -> ComposeResult:
        """Words and a way out."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Leaving"
            yield Static(TEXT, markup=False, classes="question")
            with Horizontal(classes="buttons"):
                yield Button(
                    f"Leave at once ({key_label(self, 'leaving.force')})", variant="error", id="force", compact=True
                )

    def on_button_pressed(self) -> None:
        """Leave by mouse or Enter."""
        self.action_force()

    def action_force(self) -> None:
        """Leave at once."""
        cast("Workbench", self.app).exit_now(130)
