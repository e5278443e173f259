"""Asks which run to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList

from core.runs import RunSnapshot
from fer_tui.output import visible
from fer_tui.widgets.run_table import short_name


class ChooseRunScreen(ModalScreen[str | None]):
    """The name of one of some runs, or None where the one before stays."""

    BINDING_GROUP_TITLE = "Choose a run"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="choose_run.cancel", tooltip="Stay with the run"),
        Binding("j", "move('down')", "Down", show=False, id="choose_run.down", tooltip="One run down"),
        Binding("k", "move('up')", "Up", show=False, id="choose_run.up", tooltip="One run up"),
    ]
    AUTO_FOCUS = "#run-choices"

    def __init__(self, runs: Sequence[RunSnapshot], chosen: str | None) -> None:
        """`runs`: to choose from, newest first; `chosen`: the name of the one that is looked at."""
        super().__init__()
        self.runs, self.chosen = runs, chosen

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Inspect a run"
            dialog.border_subtitle = "enter opens, esc cancels"
            yield OptionList(*map(described, self.runs), id="run-choices", markup=False, compact=True)

    def on_mount(self) -> None:
        """Begin on the run that is looked at."""
        names = [run.name for run in self.runs]
        self.query_one(OptionList).highlighted = names.index(self.chosen) if self.chosen in names else 0

    def action_move(self, direction: str) -> None:
        """Move as the arrows do."""
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if direction == "down" else choices.action_cursor_up()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer by Enter or mouse."""
        self.dismiss(self.runs[event.option_index].name)


def described(run: RunSnapshot) -> Text:
    """A run in one line."""
    accuracy = (run.evaluation or {}).get("accuracy")
    figure = f"{accuracy:.4f}" if isinstance(accuracy, float) else ""
    text = f"{visible(short_name(run.name)):<16}  {visible(run.model):<12}  {run.state:<11}  {figure}"
    return Text(text, no_wrap=True, overflow="ellipsis")
