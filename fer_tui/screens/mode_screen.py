"""What the screens of all modes have in common: the tabs above, the keys below."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer

from fer_tui.widgets.mode_tabs import ModeTabs

if TYPE_CHECKING:
    from fer_tui.app import FerApp


class ModeScreen(Screen[None]):
    """A mode's screen."""

    MODE = ""

    @property
    def fer(self) -> FerApp:
        """The app, by its own type."""
        return cast("FerApp", self.app)

    def compose(self) -> ComposeResult:
        """Tabs, the mode's own part, footer."""
        yield ModeTabs(self.MODE)
        yield from self.compose_mode()
        yield Footer(show_command_palette=False)

    def compose_mode(self) -> ComposeResult:
        """The mode's own part."""
        raise NotImplementedError
