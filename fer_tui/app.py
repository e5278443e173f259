"""The Textual app: modes, themes, keys, signals, and the thread that polls the run directories."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.screen import Screen
from textual.worker import Worker

from core.system.signals import SIGNALS
from fer_tui.modes import SHOWN_MODES
from fer_tui.state.poller import LogGrown
from fer_tui.state.workbench import Workbench
from fer_tui.themes import FALLBACK, THEMES
from fer_tui.user_settings import UserSettings

if TYPE_CHECKING:
    from fer_tui.screens.mode_screen import ModeScreen


def _data_screen() -> Screen[Any]:
    from fer_tui.screens.data import DataScreen

    return DataScreen()


def _train_screen() -> Screen[Any]:
    from fer_tui.screens.train import TrainScreen

    return TrainScreen()


def _runs_screen() -> Screen[Any]:
    from fer_tui.screens.runs import RunsScreen

    return RunsScreen()


def _compare_screen() -> Screen[Any]:
    from fer_tui.screens.compare import CompareScreen

    return CompareScreen()


def _inspect_screen() -> Screen[Any]:
    from fer_tui.screens.inspect import InspectScreen

    return InspectScreen()


def import_modes() -> None:
    """Import the screens of all modes in the background, so that the first switch to a mode is fast."""
    from fer_tui.screens import compare, data, inspect, runs, train  # noqa: F401
    from fer_tui.widgets import run_tabs  # noqa: F401


SCREENS: Mapping[str, Callable[[], Screen[Any]]] = {
    "data": _data_screen,
    "train": _train_screen,
    "runs": _runs_screen,
    "compare": _compare_screen,
    "inspect": _inspect_screen,
}


def _open_commands() -> type[Provider]:
    from fer_tui.palette import OpenCommands

    return OpenCommands


class FerApp(Workbench):
    """The app with its modes, dialogs and keys; it handles quitting and signals."""

    TITLE = "fer-tui"
    CSS_PATH = "app.tcss"
    MODES: ClassVar = dict(SCREENS)
    COMMANDS = App.COMMANDS | {_open_commands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    BINDING_GROUP_TITLE = "Everywhere"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(
                mode.key, f"mode('{mode.name}')", mode.title, show=False, id=f"app.{mode.name}", tooltip=mode.purpose
            )
            for mode in SHOWN_MODES
        ),
        Binding(
            "question_mark",
            "help",
            "Help",
            show=False,
            key_display="?",
            id="app.help",
            tooltip="Show the available keys",
        ),
        Binding(
            "ctrl+p",
            "command_palette",
            "Palette",
            show=False,
            id="app.palette",
            tooltip="Search modes and actions by name",
        ),
        Binding("q", "quit", "Quit", show=False, id="app.quit", tooltip="Quit; runs of other processes continue"),
        Binding(
            "ctrl+q", "quit", "Quit", show=False, priority=True, id="app.quit_always", tooltip="Quit from anywhere"
        ),
    ]

    def __init__(
        self, data: Path | None = None, runs: Path | None = None, *, settings: UserSettings | None = None
    ) -> None:
        """Create the app; `Workbench` describes the arguments."""
        super().__init__(data, runs, settings=settings, prepare=import_modes)
        self._signals: list[int] = []
        self._is_leaving = False
        for theme in THEMES:
            self.register_theme(theme)
        themes = (self.settings.theme, self.state_store.state.theme)
        self.theme = next((name for name in themes if name in self.available_themes), THEMES[0].name)
        self.set_keymap(self.settings.keys)

    def watch_theme(self) -> None:
        """Store the chosen theme for the next session."""
        if self.is_running:
            self.state_store.update(theme=self.theme)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the variables that the style sheet uses and Textual's own themes lack."""
        return FALLBACK

    def on_mount(self) -> None:
        """Open the first mode and start to poll the runs."""
        if not self.is_headless:
            for number in SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)
        self.switch_mode("data" if self.data or not self.has_runs() else "runs")
        self.run_worker(self.poller.run, thread=True, group="watch", name="watcher", exit_on_error=True)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Exit when the training has ended, if the user has quit before."""
        if event.worker.group == "train" and event.worker.is_finished and self._is_leaving:
            self.exit()

    async def action_quit(self) -> None:
        """Quit; ask for confirmation if this app is training a run."""
        from fer_tui.dialogs.confirm import ConfirmScreen
        from fer_tui.dialogs.leaving import LeavingScreen

        if isinstance(self.screen, LeavingScreen):
            self.exit_now(130)
        elif not self.queue.is_busy:
            self.exit()
        elif not isinstance(self.screen, ConfirmScreen):
            question = "A training is running.\nStop it after its batch and quit? Its last complete epoch is saved."
            self.push_screen(ConfirmScreen(question, "Stop and quit"), self._leave)

    def _leave(self, yes: bool | None) -> None:
        from fer_tui.dialogs.leaving import LeavingScreen

        if not yes:
            return
        if not self.queue.is_busy:
            self.exit()
            return
        self._is_leaving = True
        self.queue.stop()
        self.push_screen(LeavingScreen())

    def _on_signal(self, number: int) -> None:
        """Stop the training after its batch and exit at the first signal; exit at once at the second."""
        self._signals.append(number)
        if len(self._signals) > 1:
            self.exit_now(128 + number)
        self.queue.stop()
        self.exit()

    def on_hung_up(self) -> None:
        """Handle a closed terminal like SIGHUP, and ignore a SIGHUP that follows."""
        if not self._signals:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            self._on_signal(signal.SIGHUP)

    @property
    def exit_status(self) -> int:
        """The exit status of the process: 128 + the first signal's number, else the app's return code."""
        return 128 + self._signals[0] if self._signals else self.return_code or 0

    # What the screens show

    def on_log_grown(self, message: LogGrown) -> None:
        """Pass the lines to the Runs screen."""
        from fer_tui.screens.runs import RunsScreen

        screen = self.get_screen_stack("runs")[0] if self.is_mode_loaded("runs") else None
        if isinstance(screen, RunsScreen):
            screen.show_log(message.run, message.lines, is_new=message.is_new)

    def action_next_theme(self) -> None:
        """Change to the next of fer-tui's own themes."""
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]

    def action_help(self) -> None:
        """List the keys of the focused widget, the screen and the app."""
        from fer_tui.dialogs.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(list(self.screen.active_bindings.values())))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Return the palette's commands: modes, the screen's current actions, themes, help and quit."""
        from fer_tui.palette import system_commands

        return system_commands(self, screen)

    @property
    def mode_screen(self) -> ModeScreen | None:
        """The screen of the current mode, below any dialog."""
        from fer_tui.screens.mode_screen import ModeScreen

        return next((screen for screen in self.screen_stack if isinstance(screen, ModeScreen)), None)
