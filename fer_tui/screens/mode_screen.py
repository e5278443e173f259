"""Base classes of the modes' screens: tabs at the top, keys at the bottom, updates when the runs change."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from fer_tui.textual_private import mark_stylesheet_current
from fer_tui.widgets.key_line import KeyLine
from fer_tui.widgets.mode_tabs import ModeTabs

if TYPE_CHECKING:
    from core.runs.reader import RunSnapshot
    from fer_tui.state.workbench import Workbench


class ModeScreen(Screen[None]):
    """The screen of a mode: the mode's widgets between the tabs and the keys."""

    MODE = ""

    def __init__(self) -> None:
        super().__init__()
        mark_stylesheet_current(self)

    @property
    def fer(self) -> Workbench:
        """The app, typed as `Workbench`."""
        return cast("Workbench", self.app)

    @property
    def is_open(self) -> bool:
        """Whether the app is in this mode; a dialog may be open above the screen."""
        return self in self.app.screen_stack

    def on_mount(self) -> None:
        """Repaint when the theme changes."""
        # Unlike a watch on `theme`, the signal comes after the colours changed. It reaches inactive screens too.
        self.app.theme_changed_signal.subscribe(self, lambda theme: self.repaint())

    def repaint(self) -> None:
        """Draw again what the screen colours itself; called after the theme changed."""

    def compose(self) -> ComposeResult:
        """Yield the tabs, the mode's widgets and the keys."""
        yield ModeTabs(self.MODE)
        yield from self.compose_mode()
        yield KeyLine()

    def compose_mode(self) -> ComposeResult:
        """Yield the mode's widgets."""
        raise NotImplementedError

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Skip the refresh of styles: the app has already refreshed those that changed.

        Textual would apply every rule to every widget, which takes longer than the rest of a mode switch.
        """
        event.refresh_styles = False


class RunsModeScreen(ModeScreen):
    """The screen of a mode that shows the app's runs."""

    def on_mount(self) -> None:
        """Watch the app's runs and marks."""
        self.watch(self.app, "runs", self.show_runs)
        self.watch(self.app, "marked", self.show_runs, init=False)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Show what changed while another mode was open."""
        self.show_runs()

    def repaint(self) -> None:
        """Draw the runs in the new theme's colours."""
        self.forget()
        self.show_runs()

    def show_runs(self) -> None:
        """Render the app's runs if this mode is open; `on_screen_resume` renders them later otherwise."""
        if self.fer.runs is not None and self.is_mounted and self.is_open:
            self.render_runs(self.fer.runs)

    def render_runs(self, runs: tuple[RunSnapshot, ...]) -> None:
        """Show these runs, newest first."""
        raise NotImplementedError

    def forget(self) -> None:
        """Make the next `show_runs` draw everything again, because the colours changed."""
