"""The dialog that is shown while the app waits for the current batch before it quits."""

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
    "The training stops after the current batch. You can resume it from its last complete epoch.\n\n"
    "This takes some seconds while TensorFlow loads or traces the first step."
)


class LeavingScreen(ModalScreen[None]):
    """Wait for the training to stop; offer to quit at once."""

    BINDING_GROUP_TITLE = "Quitting"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+q", "force", "Quit at once", id="leaving.force", tooltip="Quit and lose the current epoch"),
    ]

    def compose(self) -> ComposeResult:
        """Yield the text and the button."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Quitting"
            yield Static(TEXT, markup=False, classes="question")
            with Horizontal(classes="buttons"):
                yield Button(
                    f"Quit at once ({key_label(self, 'leaving.force')})", variant="error", id="force", compact=True
                )

    def on_button_pressed(self) -> None:
        """Quit at once."""
        self.action_force()

    def action_force(self) -> None:
        """Quit at once, with exit status 130."""
        cast("Workbench", self.app).exit_now(130)
