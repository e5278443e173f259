"""Asks for the one number that a run needs to go on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, Literal

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
# A tenth of the rate at which a loss became NaN is what to try first.
LOWER = 10


class AskNumberScreen(ModalScreen[float | None]):
    """A number that is good, or None where nothing shall be done."""

    BINDING_GROUP_TITLE = "Go on"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="ask.cancel_number", tooltip="Leave the run as it is"),
    ]
    AUTO_FOCUS = "#asked-number"

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
        super().__init__()
        self._title, self._question, self._suggested = title, question, suggested
        self._problem, self._is_good = problem, is_good
        self._kind: Literal["integer", "number"] = kind

    def compose(self) -> ComposeResult:
        """Words, field, what is wrong, buttons."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = self._title
            yield Static(self._question, markup=False, classes="question")
            yield Input(self._suggested, id="asked-number", type=self._kind, compact=True)
            yield Static(id="number-problem", classes="problem", markup=False)
            with Horizontal(classes="buttons"):
                yield Button(self._title, variant="primary", id="do", compact=True)
                yield Button(f"Cancel ({shown_key(self, 'ask.cancel_number')})", id="cancel", compact=True)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Do nothing."""
        self.dismiss(None)

    @on(Button.Pressed, "#do")
    @on(Input.Submitted)
    def _answer(self) -> None:
        number = _number(self.query_one(Input).value)
        if number is not None and self._is_good(number):
            self.dismiss(number)
        else:
            self.query_one("#number-problem", Static).update(self._problem)


def ask_epochs(run: RunSnapshot) -> AskNumberScreen:
    """To how many epochs a completed run is to be trained on."""
    done = len(run.history)
    suggested = min(done + max(int(_number(run.config.get("epochs")) or 0), 1), MOST_EPOCHS)
    return AskNumberScreen(
        "Train on",
        f"{visible(run.name)} has done {done} epochs.\nTrain on to how many in all?",
        str(suggested),
        f"name a whole number from {done + 1} to {MOST_EPOCHS}",
        lambda number: number.is_integer() and done < number <= MOST_EPOCHS,
        "integer",
    )


def ask_rate(run: RunSnapshot) -> AskNumberScreen:
    """At which learning rate a diverged run is to go on from its last good epoch."""
    rate = _number(run.config.get("learning_rate")) or 0.001
    return AskNumberScreen(
        "Go on",
        f"{visible(run.name)} diverged at a learning rate of {rate:g}.\nGo on from its last good epoch at which one?",
        f"{rate / LOWER:g}",
        "name a number above 0",
        lambda number: 0 < number < math.inf,
        "number",
    )


def _number(value: object) -> float | None:
    """A number; None for anything else."""
    try:
        return float(str(value))
    except ValueError:
        return None
