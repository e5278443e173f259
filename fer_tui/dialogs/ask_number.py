"""Asks for the one number that a run needs to go on."""

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
# A tenth of the rate at which a loss became NaN is what to try first.
LOWER = 10


class AskNumberScreen(AskScreen[float]):
    """A number that is good, or None where nothing shall be done."""

    BINDING_GROUP_TITLE = "Go on"

    def __init__(
        self,
        title: str,
        question: str,
        suggested: str,
        problem: str,
        is_good: Callable[[float], bool],
        kind: Literal["integer", "number"],
    ) -> None:
        """What is asked.

        Args:
            title: what is done with the number; the button says the same.
            question: in words.
            suggested: what the field holds at first.
            problem: what is said of a number that is not good.
            is_good: whether a number is.
            kind: what can be typed.
        """
        super().__init__(title, question, title)
        self._suggested, self._problem, self._is_good = suggested, problem, is_good
        self._kind: Literal["integer", "number"] = kind

    def compose_field(self) -> ComposeResult:
        """A number, and what is wrong with it."""
        yield Input(self._suggested, id="asked-number", type=self._kind, compact=True)
        yield Static(id="number-problem", classes="problem", markup=False)

    def submit(self, text: str) -> None:
        """Take a good number."""
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if self._is_good(number):
            self.dismiss(number)
        else:
            self.query_one("#number-problem", Static).update(self._problem)


def ask_epochs(run: RunSnapshot) -> AskNumberScreen:
    """To how many epochs a completed run is to be trained on."""
    done = len(run.history)
    suggested = min(done + max(run.config.get("epochs", 0), 1), MOST_EPOCHS)
    return AskNumberScreen(
        "Train on",
        f"{escape_control(run.name)} has done {done} epochs.\nTrain on to how many in all?",
        str(suggested),
        f"name a whole number from {done + 1} to {MOST_EPOCHS}",
        lambda number: number.is_integer() and done < number <= MOST_EPOCHS,
        "integer",
    )


def ask_rate(run: RunSnapshot) -> AskNumberScreen:
    """At which learning rate a diverged run is to go on from its last good epoch."""
    rate = run.config.get("learning_rate", 0.001)
    return AskNumberScreen(
        "Go on",
        f"{escape_control(run.name)} diverged at a learning rate of {rate:g}.\n"
        "Go on from its last good epoch at which one?",
        f"{rate / LOWER:g}",
        "name a number above 0",
        lambda number: 0 < number < math.inf,
        "number",
    )
