"""The app's state, such as runs, marks and load, and its actions: submit, resume and stop a run."""

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
from core.jobs.run_queue import RunQueue, describe_error, start_worker
from core.runs.reader import FINAL_STATES, RunSnapshot, list_runs, runs_folder
from core.runs.resume import requeue
from core.runs.writer import create_runs, request_stop
from core.system.hardware import SystemLoad
from core.system.limits import check_limits
from fer_tui.console import output
from fer_tui.state.app_state import StateStore, state_path
from fer_tui.state.poller import LoadSampled, Poller, RunsChanged
from fer_tui.textual_private import FastSwitchApp, preload_mode, restore_terminal
from fer_tui.user_settings import UserSettings

if TYPE_CHECKING:
    from core.config.training_config import TrainingConfig


class Workbench(FastSwitchApp):
    """The app's state and actions, for its screens and dialogs; `FerApp` adds the screens."""

    runs: reactive[tuple[RunSnapshot, ...] | None] = reactive[tuple[RunSnapshot, ...] | None](None)
    runs_problem: reactive[str] = reactive("")
    marked: reactive[frozenset[str]] = reactive[frozenset[str]](frozenset())
    wanted_model: reactive[str] = reactive("")
    # The number of images by split and class of the open data set; empty until it is read.
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
        """Create the app's state.

        Args:
            data: the data set to open.
            runs: the folder of runs; default $FER_TUI_RUNS or ./runs.
            settings: the user's settings, already checked; default `UserSettings()`.
            prepare: called in a thread after the first paint.
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
        """End the threads when the app ends."""
        self.poller.end()
        self.queue.stop()
        self.state_store.close()

    def has_runs(self) -> bool:
        """Return whether the folder has runs or can't be read."""
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
        """Create a run for each config and queue it.

        Args:
            configs: the configs in the order of training.
            detached: whether to train in a separate process, which continues after the app ends.

        Raises:
            RunError: the folder of runs can't be written.
        """
        runs = await asyncio.to_thread(create_runs, configs, self.folder)
        # Select the first run: it starts first, while the others wait.
        self.wanted_run = runs[0].name
        await self._start_runs(runs, detached=detached)

    async def resume_run(
        self, run: Path, epochs: int | None = None, learning_rate: float | None = None, data: Path | None = None
    ) -> None:
        """Queue an ended run again, optionally with a new number of epochs, learning rate or path of its data set.

        Raises:
            FerError: the run can't be resumed, and is unchanged; see `core.runs.resume.requeue`.
        """
        await asyncio.to_thread(check_limits)
        await asyncio.to_thread(requeue, run, epochs, learning_rate, data)
        await self._start_runs([run], detached=False)

    async def stop_run(self, run: Path) -> None:
        """Stop a run after its current batch, or remove it from the queue.

        Raises:
            RunError: the run directory can't be written.
        """
        if not await asyncio.to_thread(self.queue.cancel, run):
            await asyncio.to_thread(request_stop, run)
        self.poller.poll_now()

    async def _start_runs(self, runs: Sequence[Path], *, detached: bool) -> None:
        # The first opening of a screen takes 0.1 s, and 1 s while a run trains.
        for mode in self.MODES:
            await preload_mode(self, mode)
        # In a browser, train in a separate process, so that closing the tab does not end the training.
        if detached or self.is_web:
            process = await asyncio.to_thread(start_worker, runs)
            # Wait for the process in a thread, or it remains in the process table as a zombie.
            threading.Thread(target=process.wait, name="reaper", daemon=True).start()
        elif self.queue.add(runs):
            self.run_worker(self.queue.work, thread=True, group="train", name="trainer", exit_on_error=False)
        self.poller.poll_now()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show the errors of runs that could not start."""
        if event.worker.group != "train" or not event.worker.is_finished:
            return
        while self.queue.errors:
            run, error = self.queue.errors.popitem()
            said = describe_error(error)
            told = said if run.name in said else f"{run.name}: {said}"
            self.notify(output.escape_control(told), severity="error", markup=False)

    def exit_now(self, status: int) -> None:
        """End the process at once. The last checkpoint of each run remains."""
        self.queue.kill()
        restore_terminal(self)
        os._exit(status)

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Store the new snapshots, which the screens render, and notify about ended runs."""
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
        """Store the system load, which the screens render."""
        self.load = message.load

    def action_mode(self, mode: str) -> None:
        """Switch to a mode."""
        self.switch_mode(mode)

    def inspect_run(self, name: str) -> None:
        """Open the Inspect mode for a run."""
        self.inspected = name
        self.switch_mode("inspect")

    def open_run(self, name: str) -> None:
        """Open the Runs mode with the cursor on this run; the screen resets `wanted_run` afterwards."""
        self.action_mode("runs")
        self.wanted_run = name

    def open_train(self, model: str) -> None:
        """Open the Train form with this model selected; the screen resets `wanted_model` afterwards."""
        self.action_mode("train")
        self.wanted_model = model
