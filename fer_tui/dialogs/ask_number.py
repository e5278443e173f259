"""Dialogs that ask for the number that a run needs to be resumed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from textual.app import ComposeResult
from textual.widgets import Input, Static

from core.runs.reader import RunSnapshot
from fer_tui.console.output import escape_control
from fer_tui.dialogs.ask import AskScreen

MOST_EPOCHS = 100_000
# Suggest a tenth of the learning rate at which the loss became NaN.
LOWER = 10


class AskNumberScreen(AskScreen[float]):
    """Ask for a valid number; the result is None if the user cancels."""

    BINDING_GROUP_TITLE = "Resume"

    def __init__(
        self,
        title: str,
        question: str,
        suggested: str,
        problem: str,
        is_good: Callable[[float], bool],
        kind: Literal["integer", "number"],
    ) -> None:
        """Store the dialog's texts and the check.

        Args:
            title: the dialog's title and the button's label.
            question: the text above the field.
            suggested: the field's initial value.
            problem: the message for a number that is not valid.
            is_good: returns whether a number is valid.
            kind: the type of the input field.
        """
        super().__init__(title, question, title)
        self._suggested, self._problem, self._is_good = suggested, problem, is_good
        self._kind: Literal["integer", "number"] = kind

    def compose_field(self) -> ComposeResult:
        """Yield the number field and the line for its problem."""
        yield Input(self._suggested, id="asked-number", type=self._kind, compact=True)
        yield Static(id="number-problem", classes="problem", markup=False)

    def submit(self, text: str) -> None:
        """Dismiss with a valid number, or show the problem."""
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if self._is_good(number):
            self.dismiss(number)
        else:
            self.query_one("#number-problem", Static).update(self._problem)


def ask_epochs(run: RunSnapshot) -> AskNumberScreen:
    """Return the dialog that asks for the total number of epochs of a completed run."""
    done = len(run.history)
    suggested = min(done + max(run.config.get("epochs", 0), 1), MOST_EPOCHS)
    return AskNumberScreen(
        "Train further",
        f"{escape_control(run.name)} has done {done} epochs.\nTrain to how many epochs in total?",
        str(suggested),
        f"enter a whole number from {done + 1} to {MOST_EPOCHS}",
        lambda number: number.is_integer() and done < number <= MOST_EPOCHS,
        "integer",
    )


def ask_rate(run: RunSnapshot) -> AskNumberScreen:
    """Return the dialog that asks for the learning rate at which to resume a diverged run."""
    rate = run.config.get("learning_rate", 0.001)
    return AskNumberScreen(
        "Resume",
        f"{escape_control(run.name)} diverged at a learning rate of {rate:g}.\n"
        "Resume from its last good epoch at which learning rate?",
        f"{rate / LOWER:g}",
        "enter a number above 0",
        lambda number: 0 < number < math.inf,
        "number",
    )
