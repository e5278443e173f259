"""The Textual app: the modes, the themes, and the thread that follows the run directories."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.theme import Theme
from textual.worker import get_current_worker

from core.errors import RunError
from core.runs import RunSnapshot, list_runs, runs_folder
from fer_tui import output
from fer_tui.watcher import LogTail, RunWatcher

if TYPE_CHECKING:
    from fer_tui.screens.mode_screen import ModeScreen

LOOK_INTERVAL = 0.5

THEMES = (
    Theme(
        name="fer-dark",
        primary="#6CA6E0",
        secondary="#8E9AAF",
        accent="#E8B04B",
        success="#7BC47F",
        warning="#E8B04B",
        error="#E5737D",
        foreground="#D8DEE6",
        background="#14171C",
        surface="#1A1E25",
        panel="#232934",
        dark=True,
        variables={"series-train": "#6CA6E0", "series-validation": "#E8B04B", "footer-key-foreground": "#6CA6E0"},
    ),
    Theme(
        name="fer-light",
        primary="#1F5FA8",
        secondary="#5B6675",
        accent="#9A5B00",
        success="#1E7B34",
        warning="#8F5A00",
        error="#B3261E",
        foreground="#1E242C",
        background="#F7F7F4",
        surface="#FFFFFF",
        panel="#E7E9EC",
        dark=False,
        variables={"series-train": "#1F5FA8", "series-validation": "#B35C00", "footer-key-foreground": "#1F5FA8"},
    ),
    # M. Okabe and K. Ito, Color Universal Design, 2008: told apart with any kind of colour vision.
    Theme(
        name="fer-okabe-ito",
        primary="#56B4E9",
        secondary="#CC79A7",
        accent="#F0E442",
        success="#56B4E9",
        warning="#F0E442",
        error="#E69F00",
        foreground="#E6E6E6",
        background="#111111",
        surface="#191919",
        panel="#262626",
        dark=True,
        variables={"series-train": "#56B4E9", "series-validation": "#E69F00", "footer-key-foreground": "#56B4E9"},
    ),
)


def _data_screen() -> Screen[Any]:
    from fer_tui.screens.data import DataScreen

    return DataScreen()


def _runs_screen() -> Screen[Any]:
    from fer_tui.screens.runs import RunsScreen

    return RunsScreen()


def _compare_screen() -> Screen[Any]:
    from fer_tui.screens.compare import CompareScreen

    return CompareScreen()


def _import_modes() -> None:
    """Import the modes while nobody waits for them, so that the first switch to one is as quick as the next."""
    from fer_tui.screens import compare, data, runs  # noqa: F401


@dataclass(frozen=True)
class Mode:
    """A mode of the app: its key, its title on the tab, and what it is for."""

    name: str
    key: str
    title: str
    purpose: str


SHOWN_MODES = (
    Mode("data", "1", "Data", "Look at a folder of faces and what is wrong with it"),
    Mode("runs", "3", "Runs", "Watch every run, finished or under way"),
    Mode("compare", "4", "Compare", "Runs, baselines and the article's figures in one table"),
)


@dataclass(frozen=True)
class ExportChoice:
    """What the export dialog was last told, for as long as the app runs."""

    form: str = "csv"
    path: str = "comparison.csv"


class FerApp(App[None]):
    """The workbench."""

    TITLE = "fer-tui"
    CSS_PATH = "app.tcss"
    MODES: ClassVar = {"data": _data_screen, "runs": _runs_screen, "compare": _compare_screen}
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
            tooltip="The keys that work here",
        ),
        Binding(
            "ctrl+p",
            "command_palette",
            "Palette",
            show=False,
            id="app.palette",
            tooltip="Find any mode or action by name",
        ),
        Binding("q", "quit", "Quit", show=False, id="app.quit", tooltip="Leave; runs of other processes go on"),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True, id="app.quit_always", tooltip="Leave at once"),
    ]

    runs: reactive[tuple[RunSnapshot, ...] | None] = reactive[tuple[RunSnapshot, ...] | None](None)
    runs_problem: reactive[str] = reactive("")
    marked: reactive[frozenset[str]] = reactive[frozenset[str]](frozenset())

    class RunsChanged(Message):
        """The folder of runs was looked at and is not as it was."""

        def __init__(self, runs: tuple[RunSnapshot, ...], problem: str) -> None:
            super().__init__()
            self.runs = runs
            self.problem = problem

    class LogGrown(Message):
        """The followed run's log has new lines; `is_new` where they are the first that are read of it."""

        def __init__(self, run: Path, lines: list[str], *, is_new: bool) -> None:
            super().__init__()
            self.run = run
            self.lines = lines
            self.is_new = is_new

    def __init__(self, data: Path | None = None, runs: Path | None = None) -> None:
        """Keep the data set and the folder of runs to open.

        Args:
            data: a data set to read at once.
            runs: RUNS, else $FER_TUI_RUNS, else ./runs.
        """
        super().__init__()
        self.data = data
        self.folder = runs_folder(runs)
        self.export_choice = ExportChoice()
        self.followed: Path | None = None
        self._wake = threading.Event()
        self._is_leaving = threading.Event()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What our style sheet asks of themes that are not ours."""
        return {"series-train": "#56B4E9", "series-validation": "#E69F00"}

    def on_mount(self) -> None:
        """Open the first mode and begin to follow the runs."""
        self.switch_mode("data" if self.data or not self._has_runs() else "runs")
        self.run_worker(self._follow, thread=True, group="watch", name="watcher", exit_on_error=True)

    def on_unmount(self) -> None:
        """Let the watcher end with the app."""
        self._is_leaving.set()
        self._wake.set()

    def _has_runs(self) -> bool:
        try:
            return bool(list_runs(self.folder))
        except RunError:
            return True

    def follow_log(self, run: Path | None) -> None:
        """Have the watcher read this run's log from now on, at once and not at its next look."""
        if run != self.followed:
            self.followed = run
            self._wake.set()

    def look_now(self) -> None:
        """Have the watcher look at once."""
        self._wake.set()

    def _follow(self) -> None:
        """The watcher thread: look, tell what changed, rest."""
        worker = get_current_worker()
        watcher, tail = RunWatcher(self.folder), None
        told: tuple[tuple[RunSnapshot, ...], str] | None = None
        while not (self._is_leaving.is_set() or worker.is_cancelled):
            self._wake.clear()
            seen: tuple[tuple[RunSnapshot, ...], str]
            try:
                seen = watcher.look(), ""
            except RunError as error:
                seen = (), str(error)
            if told is None or seen != told:
                told = seen
                self.post_message(self.RunsChanged(*seen))
            run = self.followed
            if run is not None:
                is_new = tail is None or tail.path.parent != run
                if tail is None or is_new:
                    tail = LogTail(run / "log.txt")
                lines = tail.look()
                if lines or is_new:
                    self.post_message(self.LogGrown(run, lines, is_new=is_new))
            _import_modes()
            self._wake.wait(LOOK_INTERVAL)

    def on_fer_app_runs_changed(self, message: RunsChanged) -> None:
        """Take the newest snapshots; the screens render from them."""
        names = frozenset(run.name for run in message.runs)
        self.marked &= names
        self.runs_problem = message.problem
        self.runs = message.runs

    def on_fer_app_log_grown(self, message: LogGrown) -> None:
        """Hand the lines to the screen that shows them."""
        from fer_tui.screens.runs import RunsScreen

        for screen in self._screen_stacks.get("runs", [])[:1]:
            if isinstance(screen, RunsScreen):
                screen.show_log(message.run, message.lines, is_new=message.is_new)

    def action_mode(self, mode: str) -> None:
        """Switch to a mode."""
        self.switch_mode(mode)

    def action_help(self) -> None:
        """List the keys of the focused widget, the screen and the app."""
        from fer_tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(list(self.screen.active_bindings.values())))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: modes, what the screen can do now, themes, help and quitting."""
        for mode in SHOWN_MODES:
            yield SystemCommand(mode.title, mode.purpose, lambda name=mode.name: self.action_mode(name))
        for active in screen.active_bindings.values():
            if active.node is screen and active.enabled and active.binding.id:
                yield SystemCommand(
                    active.binding.description,
                    active.tooltip,
                    lambda action=active.binding.action: self._do(screen, action),
                )
        yield SystemCommand("Theme", "Dark, light, safe for any colour vision, and more", self.action_change_theme)
        yield SystemCommand("Help", "The keys that work here", self.action_help)
        yield SystemCommand("Quit", "Leave; runs of other processes go on", self.exit)

    def _do(self, screen: Screen[Any], action: str) -> None:
        self.call_later(self.run_action, action, screen)

    @property
    def mode_screen(self) -> ModeScreen | None:
        """The mode's own screen, below any dialog."""
        from fer_tui.screens.mode_screen import ModeScreen

        return next((screen for screen in self.screen_stack if isinstance(screen, ModeScreen)), None)


def run(data: Path | None = None, runs: Path | None = None) -> int:
    """Open the screens.

    Args:
        data: a data set to read at once.
        runs: RUNS, else $FER_TUI_RUNS, else ./runs.

    Returns:
        The exit status.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        output.fail("the screens need a terminal; 'fer-tui --help' lists the commands, which don't")
        return 2
    app = FerApp(data, runs)
    app.run()
    return app.return_code or 0
