"""What the screens render from, and what they ask for: runs, marks, load; submit, resume, stop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.reactive import reactive
from textual.worker import Worker

from core.config.setting_syntax import READING_SETTINGS
from core.errors import RunError
from core.jobs.run_queue import RunQueue, start_worker
from core.runs.reader import FINAL_STATES, RunSnapshot, list_runs, runs_folder
from core.runs.resume import requeue
from core.runs.writer import create_runs, request_stop
from core.system.hardware import SystemLoad
from fer_tui.console import output
from fer_tui.state.app_state import StateStore, state_path
from fer_tui.state.poller import LoadSampled, Poller, RunsChanged
from fer_tui.textual_private import FastSwitchApp, preload_mode, restore_terminal
from fer_tui.user_settings import UserSettings

if TYPE_CHECKING:
    from core.config.training_config import TrainingConfig


class Workbench(FastSwitchApp):
    """The app as its screens and dialogs know it; `FerApp` adds the screens themselves."""

    runs: reactive[tuple[RunSnapshot, ...] | None] = reactive[tuple[RunSnapshot, ...] | None](None)
    runs_problem: reactive[str] = reactive("")
    marked: reactive[frozenset[str]] = reactive[frozenset[str]](frozenset())
    wanted_model: reactive[str] = reactive("")
    # Of the open data set, `data`: split to class to images; empty while none was read.
    counts: reactive[Mapping[str, Mapping[str, int]]] = reactive[Mapping[str, Mapping[str, int]]]({})
    inspected: reactive[str | None] = reactive[str | None](None)
    load: reactive[SystemLoad | None] = reactive[SystemLoad | None](None)
    wanted_run: reactive[str] = reactive("")

    def __init__(
        self,
        data: Path | None = None,
        runs: Path | None = None,
        *,
        settings: UserSettings | None = None,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep the data set and the folder of runs to open.

        Args:
            data: a data set to read at once.
            runs: RUNS, else $FER_TUI_RUNS, else ./runs.
            settings: the user's own, already checked; else the defaults.
            prepare: called in a thread once the first screen is painted.
        """
        super().__init__()
        self.settings = settings or UserSettings()
        self.state_store = StateStore(state_path())
        self.data = data
        self.folder = runs_folder(runs)
        self.take_reading_settings({**self.state_store.state.train, **self.settings.train})
        self.poller = Poller(self.folder, self.post_message, prepare)
        self.queue = RunQueue(is_shared=True)

    def on_unmount(self) -> None:
        """End the threads with the app, however it ends."""
        self.poller.end()
        self.queue.stop()
        self.state_store.close()

    def has_runs(self) -> bool:
        """Whether there is something to watch, or a reason why nothing can be read."""
        try:
            return bool(list_runs(self.folder))
        except RunError:
            return True

    def take_reading_settings(self, values: Mapping[str, Any]) -> None:
        """Use what a run's settings say on reading data sets, for those that are read from now on."""
        named = {name: values.get(name) for name in READING_SETTINGS}
        self.reading_settings: Mapping[str, Any] = {
            name: value for name, value in named.items() if isinstance(value, str) and value.lower() != "none"
        }

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
        await self._start_runs(runs, detached=detached)

    async def resume_run(self, run: Path, epochs: int | None = None, learning_rate: float | None = None) -> None:
        """Queue an ended run again, with more epochs or another rate where they are given.

        Raises:
            RunError: it is under way, completed, or can't be written.
            ConfigError: it has more epochs already.
        """
        await asyncio.to_thread(requeue, run, epochs, learning_rate)
        await self._start_runs([run], detached=False)

    async def stop_run(self, run: Path) -> None:
        """End a run after its batch, or take it out of the queue.

        Raises:
            RunError: its directory can't be written.
        """
        if not await asyncio.to_thread(self.queue.cancel, run):
            await asyncio.to_thread(request_stop, run)
        self.poller.poll_now()

    async def _start_runs(self, runs: Sequence[Path], *, detached: bool) -> None:
        # A screen's first opening takes a tenth of a second, and ten times that beside a training.
        for mode in self.MODES:
            await preload_mode(self, mode)
        # A browser's tab closes without a word: what is trained there must not depend on it.
        if detached or self.is_web:
            process = await asyncio.to_thread(start_worker, runs)
            # Somebody has to take note of its end, or it stays in the process table.
            threading.Thread(target=process.wait, name="reaper", daemon=True).start()
        elif self.queue.add(runs):
            self.run_worker(self.queue.work, thread=True, group="train", name="trainer", exit_on_error=False)
        self.poller.poll_now()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what kept a run from beginning."""
        if event.worker.group != "train" or not event.worker.is_finished:
            return
        while self.queue.errors:
            run, error = self.queue.errors.popitem()
            self.notify(output.escape_control(f"{run.name}: {error}"), severity="error", markup=False)

    def exit_now(self, status: int) -> None:
        """End the process now; what the runs wrote up to their last epoch stands."""
        self.queue.kill()
        restore_terminal(self)
        os._exit(status)

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Take the newest snapshots; the screens render from them."""
        before = {run.name: run.state for run in self.runs or ()}
        for run in message.runs:
            if run.state in FINAL_STATES and before.get(run.name, run.state) not in FINAL_STATES:
                self._notify_ended(run)
        self.marked &= frozenset(run.name for run in message.runs)
        self.runs_problem = message.problem
        self.runs = message.runs

    def _notify_ended(self, run: RunSnapshot) -> None:
        kept = run.kept_epoch()
        figure = f", val accuracy {kept['val_accuracy']:.4f}" if kept else ""
        severity = "information" if run.state in ("completed", "stopped") else "error"
        self.notify(output.escape_control(f"{run.model} {run.state}{figure}"), severity=severity, markup=False)

    def on_load_sampled(self, message: LoadSampled) -> None:
        """Take the machine's load; the screens render from it."""
        self.load = message.load

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
