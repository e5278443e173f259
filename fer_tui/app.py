"""The Textual app: the modes, the themes, and the thread that follows the run directories."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.reactive import reactive
from textual.screen import Screen
from textual.worker import Worker

from core.errors import RunError
from core.load import Load
from core.resume import requeue
from core.run_queue import RunQueue, start_worker
from core.run_writer import create_runs, request_stop
from core.runs import ENDED, RunSnapshot, list_runs, runs_folder
from fer_tui import output, terminal
from fer_tui.follower import Follower, LoadSampled, LogGrown, RunsChanged
from fer_tui.modes import SCREENS, SHOWN_MODES
from fer_tui.settings import Settings
from fer_tui.state import Memory, state_path
from fer_tui.themes import FALLBACK, THEMES

if TYPE_CHECKING:
    from textual.widget import AwaitMount

    from core.config import TrainingConfig
    from fer_tui.screens.mode_screen import ModeScreen


def _open_commands() -> type[Provider]:
    from fer_tui.palette import OpenCommands

    return OpenCommands


class FerApp(App[None]):
    """The workbench."""

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
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True, id="app.quit_always", tooltip="Leave, always"),
    ]

    runs: reactive[tuple[RunSnapshot, ...] | None] = reactive[tuple[RunSnapshot, ...] | None](None)
    runs_problem: reactive[str] = reactive("")
    marked: reactive[frozenset[str]] = reactive[frozenset[str]](frozenset())
    wanted_model: reactive[str] = reactive("")
    # Of the open data set, `data`: split to class to images; empty while none was read.
    counts: reactive[Mapping[str, Mapping[str, int]]] = reactive[Mapping[str, Mapping[str, int]]]({})
    inspected: reactive[str | None] = reactive[str | None](None)
    load: reactive[Load | None] = reactive[Load | None](None)
    wanted_run: reactive[str] = reactive("")

    def __init__(self, data: Path | None = None, runs: Path | None = None, *, settings: Settings | None = None) -> None:
        """Keep the data set and the folder of runs to open.

        Args:
            data: a data set to read at once.
            runs: RUNS, else $FER_TUI_RUNS, else ./runs.
            settings: the user's own, already checked; else the defaults.
        """
        super().__init__()
        self.settings = settings or Settings()
        self.memory = Memory(state_path())
        self.data = data
        self.folder = runs_folder(runs)
        self.follower = Follower(self.folder, self.post_message)
        self.queue = RunQueue(is_shared=True)
        self._signals: list[int] = []
        self._is_leaving = False
        self._delay: float | None = None
        for theme in THEMES:
            self.register_theme(theme)
        themes = (self.settings.theme, self.memory.state.theme)
        self.theme = next((name for name in themes if name in self.available_themes), THEMES[0].name)
        self.set_keymap(self.settings.keys)

    def watch_theme(self) -> None:
        """Begin with the chosen theme the next time too."""
        if self.is_running:
            self.memory.remember(theme=self.theme)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What our style sheet asks of themes that are not ours."""
        return FALLBACK

    def on_mount(self) -> None:
        """Open the first mode and begin to follow the runs."""
        if not self.is_headless:
            for number in terminal.SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)
        self.switch_mode("data" if self.data or not self._has_runs() else "runs")
        self.run_worker(self.follower.run, thread=True, group="watch", name="watcher", exit_on_error=True)

    def on_unmount(self) -> None:
        """Let the threads end with the app, however it ends."""
        self.follower.end()
        self.queue.stop()
        self.memory.close()

    def _has_runs(self) -> bool:
        try:
            return bool(list_runs(self.folder))
        except RunError:
            return True

    # Training

    async def submit(self, configs: Sequence[TrainingConfig], *, detached: bool) -> None:
        """Queue a run for every config; the run directories tell how they go.

        Args:
            configs: in the order in which they shall be trained.
            detached: whether a process of their own trains them, which goes on when the app ends.

        Raises:
            RunError: the folder of runs can't be written.
        """
        runs = await asyncio.to_thread(create_runs, configs, self.folder)
        # The first is under way while the others wait: it is the one to watch.
        self.wanted_run = runs[0].name
        await self._begin(runs, detached=detached)

    async def resume_run(self, run: Path, epochs: int | None = None, learning_rate: float | None = None) -> None:
        """Queue an ended run again, with more epochs or another rate where they are given.

        Raises:
            RunError: it is under way, completed, or can't be written.
            ConfigError: it has more epochs already.
        """
        await asyncio.to_thread(requeue, run, epochs, learning_rate)
        await self._begin([run], detached=False)

    async def stop_run(self, run: Path) -> None:
        """End a run after its batch, or take it out of the queue.

        Raises:
            RunError: its directory can't be written.
        """
        if not await asyncio.to_thread(self.queue.withdraw, run):
            await asyncio.to_thread(request_stop, run)
        self.follower.look_now()

    async def _begin(self, runs: Sequence[Path], *, detached: bool) -> None:
        # A screen's first opening takes a tenth of a second, and ten times that beside a training.
        for mode in self.MODES:
            await self._init_mode(mode)
        # A browser's tab closes without a word: what is trained there must not depend on it.
        if detached or self.is_web:
            process = await asyncio.to_thread(start_worker, runs)
            # Somebody has to take note of its end, or it stays in the process table.
            threading.Thread(target=process.wait, name="reaper", daemon=True).start()
        elif self.queue.add(runs):
            self.run_worker(self.queue.work, thread=True, group="train", name="trainer", exit_on_error=False)
        self.follower.look_now()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Tell what kept a run from beginning; leave where that was only waiting for the training to end."""
        if event.worker.group != "train" or not event.worker.is_finished:
            return
        while self.queue.errors:
            run, error = self.queue.errors.popitem()
            self.notify(output.visible(f"{run.name}: {error}"), severity="error", markup=False)
        if self._is_leaving:
            self.exit()

    # Leaving

    async def action_quit(self) -> None:
        """Leave; ask first where a training would end with the app."""
        from fer_tui.screens.confirm import ConfirmScreen
        from fer_tui.screens.leaving import LeavingScreen

        if isinstance(self.screen, LeavingScreen):
            self.leave_at_once(130)
        elif not self.queue.is_busy:
            self.exit()
        elif not isinstance(self.screen, ConfirmScreen):
            question = "A training is under way.\nStop it after its batch and leave? The last whole epoch is kept."
            self.push_screen(ConfirmScreen(question, "Stop and leave"), self._leave)

    def _leave(self, yes: bool | None) -> None:
        from fer_tui.screens.leaving import LeavingScreen

        if not yes:
            return
        if not self.queue.is_busy:
            self.exit()
            return
        self._is_leaving = True
        self.queue.stop()
        self.push_screen(LeavingScreen())

    def leave_at_once(self, status: int) -> None:
        """End the process now; what the runs wrote up to their last epoch stands."""
        self.queue.kill()
        if self._driver is not None:
            self._driver.stop_application_mode()
            self._driver.close()
        os._exit(status)

    def _on_signal(self, number: int) -> None:
        """A dropped line or a request to end: the first stops after the batch, a second one at once."""
        self._signals.append(number)
        if len(self._signals) > 1:
            self.leave_at_once(128 + number)
        self.queue.stop()
        self.exit()

    def on_hung_up(self) -> None:
        """The terminal is gone without a signal, or with one that may still come: it tells of the same."""
        if not self._signals:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            self._on_signal(signal.SIGHUP)

    @property
    def exit_status(self) -> int:
        """What the process ends with: 128 + the signal that ended it, else the app's own."""
        return 128 + self._signals[0] if self._signals else self.return_code or 0

    # What the screens show

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Take the newest snapshots; the screens render from them."""
        before = {run.name: run.state for run in self.runs or ()}
        for run in message.runs:
            if run.state in ENDED and before.get(run.name, run.state) not in ENDED:
                self._tell_the_end(run)
        self.marked &= frozenset(run.name for run in message.runs)
        self.runs_problem = message.problem
        self.runs = message.runs

    def _tell_the_end(self, run: RunSnapshot) -> None:
        kept = run.kept_epoch()
        figure = f", val accuracy {kept['val_accuracy']:.4f}" if kept else ""
        severity = "information" if run.state in ("completed", "stopped") else "error"
        self.notify(output.visible(f"{run.model} {run.state}{figure}"), severity=severity, markup=False)

    def on_load_sampled(self, message: LoadSampled) -> None:
        """Take the machine's load; the screens render from it."""
        self.load = message.load

    def on_log_grown(self, message: LogGrown) -> None:
        """Hand the lines to the screen that shows them."""
        from fer_tui.screens.runs import RunsScreen

        for screen in self._screen_stacks.get("runs", [])[:1]:
            if isinstance(screen, RunsScreen):
                screen.show_log(message.run, message.lines, is_new=message.is_new)

    def switch_mode(self, mode: str) -> AwaitMount:
        """Switch to a mode: at once where its screen is made already, else when it is whole."""
        self._delay = 0.01 if mode in self._screen_stacks else None
        try:
            return super().switch_mode(mode)
        finally:
            self._delay = None

    def delay_update(self, delay: float = 0.05) -> None:
        """Hold the paint back; Textual does so for the same time at every switch."""
        super().delay_update(self._delay or delay)

    def action_mode(self, mode: str) -> None:
        """Switch to a mode."""
        self.switch_mode(mode)

    def inspect_run(self, name: str) -> None:
        """Open Inspect on a run."""
        self.inspected = name
        self.switch_mode("inspect")

    def open_run(self, name: str) -> None:
        """Show the runs with the cursor on this one; the screen takes the wish back when it is done."""
        self.action_mode("runs")
        self.wanted_run = name

    def open_train(self, model: str) -> None:
        """Show the form of a training with this model chosen; the screen takes the wish back when it is done."""
        self.action_mode("train")
        self.wanted_model = model

    def action_next_theme(self) -> None:
        """Change to the next theme of ours."""
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]

    def action_help(self) -> None:
        """List the keys of the focused widget, the screen and the app."""
        from fer_tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(list(self.screen.active_bindings.values())))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: modes, what the screen can do now, themes, help and quitting."""
        from fer_tui.palette import system_commands

        return system_commands(self, screen)

    @property
    def mode_screen(self) -> ModeScreen | None:
        """The mode's own screen, below any dialog."""
        from fer_tui.screens.mode_screen import ModeScreen

        return next((screen for screen in self.screen_stack if isinstance(screen, ModeScreen)), None)
