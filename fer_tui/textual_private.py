"""The private names of Textual, textual-plotext and textual-serve that the app leans on: read this before an upgrade.

Each function or class leans on one of them, and says which, why, and what public API would replace it. The tests of
this module try each on the installed versions, and find private names in any other module of `fer_tui`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import DataTable, Input

if TYPE_CHECKING:
    from aiohttp.web import Application
    from textual.widget import AwaitMount
    from textual_plotext import Plot
    from textual_serve.server import Server

# Seconds that a paint is held back by at a switch to a screen that is made already.
AT_ONCE = 0.01


class FastSwitchApp(App[None]):
    """An app that switches at once to a mode whose screen is made already.

    Leans on: `App.switch_mode` calls `self.delay_update()` without a time. Both are public, the call is not promised.
    Why: Textual holds the paint back by 0.05 s at every switch, also where there is nothing to wait for.
    Instead: a delay that `switch_mode` takes, or that Textual leaves out for a screen that is made.
    """

    _delay: float | None = None

    def is_mode_loaded(self, mode: str) -> bool:
        """Whether a mode's screen is made already."""
        try:
            return bool(self.get_screen_stack(mode))
        except KeyError:
            return False

    def switch_mode(self, mode: str) -> AwaitMount:
        """Switch to a mode: at once where its screen is made already, else when it is whole."""
        self._delay = AT_ONCE if self.is_mode_loaded(mode) else None
        try:
            return super().switch_mode(mode)
        finally:
            self._delay = None

    def delay_update(self, delay: float = 0.05) -> None:
        """Hold the paint back."""
        super().delay_update(self._delay or delay)


class DisplayTextInput(Input):
    """A text field that draws something else than its value, character by character.

    Leans on: `Input._value`, the text that is drawn and measured.
    Why: a highlighter gets the text after Rich has taken control characters out, so that the cursor would be wrong.
    Instead: a public method of Input that gives the text to draw.
    """

    def display_text(self) -> str:
        """What is drawn; of as many characters as the value."""
        return self.value

    @property
    def _value(self) -> Text:
        return Text(self.display_text(), no_wrap=True, overflow="ignore", end="")


def preload_mode(app: App[Any], mode: str) -> AwaitMount:
    """Make a mode's screen and leave the app in the mode that it is in; nothing where it is made already.

    Leans on: `App._init_mode`.
    Why: a screen's first opening takes a tenth of a second, and ten times that beside a training.
    Instead: a public method that makes a mode without switching to it.

    Args:
        app: a running app.
        mode: one of its MODES.

    Returns:
        What waits until the screen is mounted.
    """
    return app._init_mode(mode)


def mark_stylesheet_current(screen: Screen[Any]) -> None:
    """Take a screen that is new for one that has the app's style sheet of now; nothing outside the app's own tasks.

    Leans on: `Screen._css_update_count`, which Textual compares with `App._css_update_count`.
    Why: Textual would parse the whole style sheet again, twice, at the first opening of every screen.
    Instead: nothing, once Textual counts a new screen as up to date.
    """
    with contextlib.suppress(RuntimeError):  # there is no active app
        screen._css_update_count = screen.app._css_update_count


def restore_terminal(app: App[Any]) -> None:
    """Make the terminal what it was before the app, at once; nothing where the app has none.

    Leans on: `App._driver`.
    Why: the process is about to end without the event loop, which `App.exit` needs.
    Instead: a public method that does so. `App.suspend` refuses in a browser, and tells the app's widgets first.
    """
    if app._driver is not None:
        app._driver.stop_application_mode()
        app._driver.close()


def all_bindings(node: DOMNode) -> list[Binding]:
    """The bindings of a node, those that its class inherits too, a binding a key.

    Leans on: `DOMNode._bindings`.
    Why: `BINDINGS` has those of one class alone; `Screen.active_bindings` leaves out what can't be pressed now.
    Instead: a public property with the same.
    """
    return [binding for _, binding in node._bindings]


def keymap_override(app: App[Any], binding_id: str) -> str | None:
    """The keys that the user has put in place of a binding's own, comma separated; None where there are none.

    Leans on: `App._keymap`.
    Why: Textual takes a keymap (`App.set_keymap`) and tells it to nobody.
    Instead: a public property with the same.
    """
    return app._keymap.get(binding_id)


def set_column_labels(table: DataTable[Any], labels: Mapping[str, Text]) -> None:
    """Change the headings of a table's columns.

    Leans on: `DataTable._update_count`, a part of the key under which drawn lines are kept.
    Why: a column's label is public, but a new one is not drawn while the lines of before are kept.
    Instead: a public method that sets a column's label.

    Args:
        table: a mounted table.
        labels: column key to heading; other columns stay as they are.
    """
    for column in table.ordered_columns:
        column.label = labels.get(str(column.key.value), column.label)
    table._update_count += 1
    table.refresh()


def resize_plot(plot: Plot, width: int, height: int) -> None:
    """Give a plot the size that it is drawn in next, in cells.

    Leans on: `_set_size` of plotext's figure, as textual-plotext itself does.
    Why: `plotsize` cuts a plot to the terminal that plotext found for itself, at the app's start or not at all.
    Instead: plotext's `limit_size`, once a figure has it; now only the module has, for its own figure.
    """
    plot.plotsize(width, height)
    plot._set_size(width, height)


async def web_application(server: Server) -> Application:
    """The aiohttp application of a textual-serve server, with its routes.

    Leans on: `Server._make_app`.
    Why: `Server.serve` runs it at once, without the checks of requests that we add, and takes the signals.
    Instead: a public method with the same.
    """
    return await server._make_app()
