"""A setting that is one of a few values, and one that is on or off; one widget each, since a form has many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.visual import VisualType
from textual.widgets import Static

from fer_tui.console.output import escape_control
from fer_tui.widgets.confusion_matrix import fit_to_width
from fer_tui.widgets.menu import MenuScreen


class Control(Static, can_focus=True):
    """What has a value that enter, space or a click changes."""

    class Changed(Message):
        """It has another value."""

        def __init__(self, changed: Control) -> None:
            super().__init__()
            self.changed = changed

        @property
        def control(self) -> Control:
            """The one that has."""
            return self.changed

    def watch_value(self) -> None:
        """Tell of it."""
        self.post_message(self.Changed(self))

    def on_click(self) -> None:
        """Change it."""
        self.action_change()

    def action_change(self) -> None:
        """Change it, or ask what to."""
        raise NotImplementedError


class Choice(Control):
    """A value of several, chosen from a menu."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "change", "Menu", id="form.menu", tooltip="Show what may be chosen"),
    ]
    value: reactive[str] = reactive("")

    def __init__(self, title: str, options: Sequence[tuple[str, str]], *, id: str) -> None:
        """`title`: of the menu; `options`: a line and its value each, the first of which is chosen."""
        super().__init__(id=id, markup=False)
        self.title, self._options = title, tuple(options)
        self.set_reactive(Choice.value, self._options[0][1])

    def set_options(self, options: Sequence[tuple[str, str]]) -> None:
        """Offer these from now on; the value stays."""
        self._options = tuple(options)
        self.refresh()

    def render(self) -> VisualType:
        """The line of the value, and a sign that there are more."""
        line = next((line for line, value in self._options if value == self.value), self.value)
        return f"{fit_to_width(escape_control(line), max(self.size.width - 2, 1))} ▾"

    def action_change(self) -> None:
        """Ask for another value."""
        self.app.push_screen(MenuScreen(self.title, self._options, self.value), self._take)

    def _take(self, value: str | None) -> None:
        if value is not None:
            self.value = value


class Toggle(Control):
    """A setting that is on or off."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "change", "On or off", id="form.toggle", tooltip="Turn it on or off"),
    ]
    value: reactive[bool] = reactive(False)

    def __init__(self, value: bool = False, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self.set_reactive(Toggle.value, value)

    def render(self) -> VisualType:
        """A sign and a word."""
        return "[x] on" if self.value else "[ ] off"

    def action_change(self) -> None:
        """Turn it."""
        self.value = not self.value
