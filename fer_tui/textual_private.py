"""All uses of private names of Textual, textual-plotext and textual-serve. Read this before you upgrade them.

Each function or class uses one private name. Its docstring states the name, the reason, and the public API that would
replace it. The tests of this module check each name on the installed versions, and check that no other module of
`fer_tui` uses private names.
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

# The delay of the paint, in seconds, at a switch to a mode whose screen exists.
AT_ONCE = 0.01


class FastSwitchApp(App[None]):
    """An app that switches at once to a mode whose screen exists.

    Uses: `App.switch_mode` calls `self.delay_update()` without a delay. Both methods are public, but the call is not
        documented.
    Reason: Textual delays the paint by 0.05 s at every switch, even to a screen that is ready.
    Replacement: a `delay` argument of `switch_mode`, or no delay in Textual for a screen that exists.
    """

    _delay: float | None = None

    def is_mode_loaded(self, mode: str) -> bool:
        """Return whether a mode's screen exists."""
        try:
            return bool(self.get_screen_stack(mode))
        except KeyError:
            return False

    def switch_mode(self, mode: str) -> AwaitMount:
        """Switch to a mode: at once if its screen exists, else after Textual's delay."""
        self._delay = AT_ONCE if self.is_mode_loaded(mode) else None
        try:
            return super().switch_mode(mode)
        finally:
            self._delay = None

    def delay_update(self, delay: float = 0.05) -> None:
        """Delay the paint."""
        super().delay_update(self._delay or delay)


class DisplayTextInput(Input):
    """An input that displays each character of its value as another character.

    Uses: `Input._value`, the text that Textual draws and measures.
    Reason: a highlighter receives the text without control characters, so the cursor would be in the wrong place.
    Replacement: a public method of `Input` that returns the text to draw.
    """

    def display_text(self) -> str:
        """Return the text to draw, which must have as many characters as the value."""
        return self.value

    @property
    def _value(self) -> Text:
        return Text(self.display_text(), no_wrap=True, overflow="ignore", end="")


def preload_mode(app: App[Any], mode: str) -> AwaitMount:
    """Create a mode's screen, if it does not exist, without a switch to it.

    Uses: `App._init_mode`.
    Reason: the first opening of a screen takes 0.1 s, and 1 s while a run trains.
    Replacement: a public method that creates a mode's screen without a switch to it.

    Args:
        app: a running app.
        mode: one of its MODES.

    Returns:
        An awaitable that waits until the screen is mounted.
    """
    return app._init_mode(mode)


def mark_stylesheet_current(screen: Screen[Any]) -> None:
    """Mark a new screen as up to date with the app's style sheet; do nothing if there is no active app.

    Uses: `Screen._css_update_count`, which Textual compares with `App._css_update_count`.
    Reason: Textual would parse the whole style sheet twice at the first opening of every screen.
    Replacement: none needed once Textual treats a new screen as up to date.
    """
    with contextlib.suppress(RuntimeError):  # no active app
        screen._css_update_count = screen.app._css_update_count


def restore_terminal(app: App[Any]) -> None:
    """Restore the terminal to its state before the app; do nothing if the app has no driver.

    Uses: `App._driver`.
    Reason: the process is about to end without the event loop, which `App.exit` needs.
    Replacement: a public method. `App.suspend` fails in a browser and notifies the widgets first.
    """
    if app._driver is not None:
        app._driver.stop_application_mode()
        app._driver.close()


def all_bindings(node: DOMNode) -> list[Binding]:
    """Return the bindings of a node, with the inherited ones, one for each key.

    Uses: `DOMNode._bindings`.
    Reason: `BINDINGS` lacks inherited bindings, and `Screen.active_bindings` lacks inactive ones.
    Replacement: a public property with all bindings.
    """
    return [binding for _, binding in node._bindings]


def keymap_override(app: App[Any], binding_id: str) -> str | None:
    """Return the user's comma-separated keys for a binding; None if the user has set none.

    Uses: `App._keymap`.
    Reason: Textual has `App.set_keymap`, but no public way to read the keymap.
    Replacement: a public property with the keymap.
    """
    return app._keymap.get(binding_id)


def set_column_labels(table: DataTable[Any], labels: Mapping[str, Text]) -> None:
    """Change the headings of a table's columns.

    Uses: `DataTable._update_count`, which is part of the cache key of rendered lines.
    Reason: a column's label is public, but a new label is not drawn while the cached lines are valid.
    Replacement: a public method that sets a column's label.

    Args:
        table: a mounted table.
        labels: maps column keys to headings; other columns keep their headings.
    """
    for column in table.ordered_columns:
        column.label = labels.get(str(column.key.value), column.label)
    table._update_count += 1
    table.refresh()


def resize_plot(plot: Plot, width: int, height: int) -> None:
    """Set the size of a plot in cells.

    Uses: `_set_size` of plotext's figure, as textual-plotext does.
    Reason: `plotsize` limits a plot to the size of the terminal that plotext detected at the app's start, if any.
    Replacement: a `limit_size` method of plotext's figure. Only the plotext module has one, for its default figure.
    """
    plot.plotsize(width, height)
    plot._set_size(width, height)


async def web_application(server: Server) -> Application:
    """Return the aiohttp application of a textual-serve server, with its routes.

    Uses: `Server._make_app`.
    Reason: `Server.serve` runs the application without fer-tui's checks of requests, and handles the signals itself.
    Replacement: a public method that returns the application.
    """
    return await server._make_app()
