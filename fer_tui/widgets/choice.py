"""Controls for a setting with a few values and for a switch; each is one widget, because a form has many."""

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
    """A control whose value changes on Enter, Space or a click."""

    class Changed(Message):
        """The control's value changed."""

        def __init__(self, changed: Control) -> None:
            super().__init__()
            self.changed = changed

        @property
        def control(self) -> Control:
            """The control that changed."""
            return self.changed

    def watch_value(self) -> None:
        """Post `Changed`."""
        self.post_message(self.Changed(self))

    def on_click(self) -> None:
        """Change the value."""
        self.action_change()

    def action_change(self) -> None:
        """Change the value or open a menu of values."""
        raise NotImplementedError


class Choice(Control):
    """A control whose value is chosen from a menu."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "change", "Menu", id="form.menu", tooltip="Show the values to choose from"),
    ]
    value: reactive[str] = reactive("")

    def __init__(self, title: str, options: Sequence[tuple[str, str]], *, id: str) -> None:
        """Store the menu's title and its options.

        Args:
            title: the menu's title.
            options: (line, value) pairs; the first value is chosen at first.
            id: the widget's id.
        """
        super().__init__(id=id, markup=False)
        self.title, self._options = title, tuple(options)
        self.set_reactive(Choice.value, self._options[0][1])

    def set_options(self, options: Sequence[tuple[str, str]]) -> None:
        """Replace the options; the value stays."""
        self._options = tuple(options)
        self.refresh()

    def render(self) -> VisualType:
        """Render the value's line and the menu sign."""
        line = next((line for line, value in self._options if value == self.value), self.value)
        return f"{fit_to_width(escape_control(line), max(self.size.width - 2, 1))} ▾"

    def action_change(self) -> None:
        """Open the menu."""
        self.app.push_screen(MenuScreen(self.title, self._options, self.value), self._take)

    def _take(self, value: str | None) -> None:
        if value is not None:
            self.value = value


class Toggle(Control):
    """A control that is on or off."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "change", "On or off", id="form.toggle", tooltip="Turn it on or off"),
    ]
    value: reactive[bool] = reactive(False)

    def __init__(self, value: bool = False, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self.set_reactive(Toggle.value, value)

    def render(self) -> VisualType:
        """Render a check box and its state."""
        return "[x] on" if self.value else "[ ] off"

    def action_change(self) -> None:
        """Toggle the value."""
        self.value = not self.value
