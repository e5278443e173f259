"""Asks to how many epochs a completed run is to be trained on."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from core.runs import RunSnapshot
from fer_tui.keys import shown_key
from fer_tui.output import visible

MOST_EPOCHS = 100_000


class AskEpochsScreen(ModalScreen[int | None]):
    """A number of epochs above those that were done, or None where nothing shall be done."""

    BINDING_GROUP_TITLE = "Train on"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="ask.cancel_epochs", tooltip="Leave the run as it is"),
    ]
    AUTO_FOCUS = "#asked-epochs"

    def __init__(self, run: RunSnapshot) -> None:
        """`run`: the completed one."""
        super().__init__()
        self.run = run
        self.done = len(run.history)

    def compose(self) -> ComposeResult:
        """Words, field, what is wrong, buttons."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Train on"
            question = f"{visible(self.run.name)} has done {self.done} epochs.\nTrain on to how many in all?"
            yield Static(question, markup=False, classes="question")
            suggested = self.done + max(_whole(self.run.config.get("epochs")), 1)
            yield Input(str(min(suggested, MOST_EPOCHS)), id="asked-epochs", type="integer", compact=True)
            yield Static(id="epochs-problem", classes="problem", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Train on", variant="primary", id="do", compact=True)
                yield Button(f"Cancel ({shown_key(self, 'ask.cancel_epochs')})", id="cancel", compact=True)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Do nothing."""
        self.dismiss(None)

    @on(Button.Pressed, "#do")
    @on(Input.Submitted)
    def _answer(self) -> None:
        epochs = _whole(self.query_one(Input).value)
        if self.done < epochs <= MOST_EPOCHS:
            self.dismiss(epochs)
        else:
            self.query_one("#epochs-problem", Static).update(
                f"name a whole number from {self.done + 1} to {MOST_EPOCHS}"
            )


def _whole(value: object) -> int:
    """A whole number; 0 for anything else."""
    try:
        return int(str(value))
    except ValueError:
        return 0
