"""What the screens of the modes have in common: the tabs above, the keys below, and following the runs."""

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
    """A mode's screen."""

    MODE = ""

    def __init__(self) -> None:
        super().__init__()
        mark_stylesheet_current(self)

    @property
    def fer(self) -> Workbench:
        """The app, by its own type."""
        return cast("Workbench", self.app)

    @property
    def is_open(self) -> bool:
        """Whether the app is in this mode, a dialog above the screen or not."""
        return self in self.app.screen_stack

    def on_mount(self) -> None:
        """Paint anew in the colours of another theme."""
        # Sent when its colours hold, unlike a watch of `theme`; to the screens of other modes and below a dialog too.
        self.app.theme_changed_signal.subscribe(self, lambda theme: self.repaint())

    def repaint(self) -> None:
        """Show in the theme's colours what is coloured by the screen itself."""

    def compose(self) -> ComposeResult:
        """Tabs, the mode's own part, keys."""
        yield ModeTabs(self.MODE)
        yield from self.compose_mode()
        yield KeyLine()

    def compose_mode(self) -> ComposeResult:
        """The mode's own part."""
        raise NotImplementedError

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Leave the styles as they are: where they changed meanwhile, the app has renewed them already.

        Textual would apply every rule to every widget, which takes longer than all else that a switch does.
        """
        event.refresh_styles = False


class RunsModeScreen(ModeScreen):
    """A mode's screen that shows the app's runs as they are."""

    def on_mount(self) -> None:
        """Follow the app's snapshots."""
        self.watch(self.app, "runs", self.show_runs)
        self.watch(self.app, "marked", self.show_runs, init=False)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Show what came while another mode was open."""
        self.show_runs()

    def repaint(self) -> None:
        """Show the runs in the theme's colours."""
        self.forget()
        self.show_runs()

    def show_runs(self) -> None:
        """Render the app's snapshots, unless another mode is open: that is done on coming back."""
        if self.fer.runs is not None and self.is_mounted and self.is_open:
            self.render_runs(self.fer.runs)

    def render_runs(self, runs: tuple[RunSnapshot, ...]) -> None:
        """Show these runs, newest first."""
        raise NotImplementedError

    def forget(self) -> None:
        """Have everything drawn anew at the next look: the colours changed."""
