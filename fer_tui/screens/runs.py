"""The Runs screen: the list of runs and live details of the highlighted run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from core.errors import FerError, RunError
from core.runs.delete import delete_run
from core.runs.reader import FINAL_STATES, RunSnapshot
from core.runs.resume import missing_data, resume_caveat
from fer_tui.console.output import escape_control
from fer_tui.dialogs.ask_number import ask_epochs, ask_rate
from fer_tui.dialogs.ask_path import AskPathScreen
from fer_tui.dialogs.confirm import ConfirmScreen
from fer_tui.key_labels import tab_label
from fer_tui.screens.mode_screen import RunsModeScreen
from fer_tui.widgets.overlay import RUN_MARKERS, OverlaidRun, assign_slots
from fer_tui.widgets.run_detail import RunDetail
from fer_tui.widgets.run_table import RunTable, matches
from fer_tui.widgets.safe_input import SafeInput

if TYPE_CHECKING:
    from fer_tui.widgets.run_tabs import RunTabs

EMPTY = """No runs yet in {folder}/.

{train}: choose models and start training, then watch the runs here.
No data set yet?  {data}: generate a small one with drawn faces.

Runs that you start in another terminal appear here too:

  fer-tui train --data PATH --model compact"""


class RunsScreen(RunsModeScreen):
    """The list of runs and the highlighted run's details."""

    MODE = "runs"
    AUTO_FOCUS = "RunTable"
    BINDING_GROUP_TITLE = "Runs and the highlighted run"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "slash",
            "filter",
            "Filter",
            key_display="/",
            id="runs.filter",
            tooltip="Filter the runs by name, model or state",
        ),
        Binding("escape", "clear_filter", "All", id="runs.clear_filter", tooltip="Close the filter and show all runs"),
        Binding("space", "mark", "Mark", id="runs.mark", tooltip="Mark or unmark the run"),
        # The plot's heading shows the next four keys, and a click there runs their actions.
        Binding("m", "metric", "Metric", show=False, id="runs.metric", tooltip="Plot the next metric"),
        Binding("l", "log_axis", "Axis", show=False, id="runs.log_axis", tooltip="Toggle the logarithmic axis"),
        Binding("s", "smooth", "Smooth", show=False, id="runs.smooth", tooltip="Toggle the running mean"),
        Binding("v", "split", "Split", show=False, id="runs.split", tooltip="Switch between training and validation"),
        Binding("o", "output", "Output", id="runs.output", tooltip="Switch between the log and the plot"),
        Binding("i", "inspect", "Inspect", id="runs.inspect", tooltip="Show the run's confusion matrix"),
        Binding(
            "w",
            "warnings",
            "Warnings",
            show=False,
            id="runs.warnings",
            tooltip="Switch between the warnings and the plot",
        ),
        Binding("r", "resume", "Resume", id="runs.resume", tooltip="Resume the run or train it further"),
        Binding("x", "stop", "Stop", id="runs.stop", tooltip="Stop after the current batch"),
        Binding(
            "delete", "delete", "Delete", key_display="del", id="runs.delete", tooltip="Delete the run's directory"
        ),
    ]

    def compose_mode(self) -> ComposeResult:
        """Yield the empty message, the filter, the list and the highlighted run's details."""
        yield Static(id="empty", markup=False)
        with Horizontal(id="runs"):
            with Vertical(id="list"):
                with Horizontal(id="filter-line"):
                    yield Static("/", id="filter-sign")
                    yield SafeInput(id="filter", placeholder="name, model or state", compact=True)
                    yield Static(id="filter-count", markup=False)
                yield RunTable(id="run-table")
            yield RunDetail(id="detail")

    def __init__(self) -> None:
        super().__init__()
        self.slots: dict[str, int] = {}

    def on_mount(self) -> None:
        """Hide the filter. Watch the system load and `wanted_run`."""
        self.query_one("#filter-line").display = False
        self.watch(self.app, "load", self._show_load)
        self.watch(self.app, "wanted_run", self.show_runs, init=False)

    def _open_wanted(self) -> None:
        """Highlight `wanted_run`, which was just started or chosen in the command palette, when the list has it."""
        name = self.fer.wanted_run
        if any(run.name == name for run in self.fer.runs or ()):
            self.fer.wanted_run = ""
            self.action_clear_filter()
            self.query_one(RunTable).choose(name)

    def render_runs(self, runs: tuple[RunSnapshot, ...]) -> None:
        """Show the runs that match the filter, and the highlighted run's details."""
        words = self.query_one("#filter", Input).value
        found = [run for run in runs if matches(run, words)]
        self.slots = assign_slots(self.slots, self.fer.marked)
        with self.app.batch_update():
            self.set_class(not runs, "-empty")
            tabs = {name: tab_label(self, name) for name in ("train", "data")}
            empty = EMPTY.format(folder=escape_control(str(self.fer.folder)), **tabs)
            self.query_one("#empty", Static).update(escape_control(self.fer.runs_problem) or empty)
            self.query_one("#filter-count", Static).update(f"{len(found)} of {len(runs)}")
            self.query_one(RunTable).show(found, self._marks())
            self._show_chosen()
        if self.fer.wanted_run:
            self._open_wanted()

    def _marks(self) -> dict[str, tuple[str, str]]:
        """Return each marked run's marker and colour in the plot; marked runs without a slot get a dot."""
        held = {name: (RUN_MARKERS[place], f"series-{place + 1}") for name, place in self.slots.items()}
        return {name: held.get(name, ("·", "accent")) for name in self.fer.marked}

    @on(RunTable.Chosen)
    def _show_chosen(self) -> None:
        run = self.chosen
        detail = self.query_one(RunDetail)
        detail.set_class(run is None, "-none")
        overlaid = [
            OverlaidRun(marked.name, marked.model, self.slots[marked.name], marked.history)
            for marked in self.fer.runs or ()
            if marked.name in self.slots
        ]
        overlaid.sort(key=lambda one: one.slot)
        detail.show(run, overlaid, len(self.fer.marked) - len(overlaid))
        self._show_load()
        self.fer.poller.follow_log(run.path if run else None)
        self.refresh_bindings()

    def _show_load(self) -> None:
        if self.is_mounted:
            self.query_one(RunDetail).show_load(self.fer.load)

    @property
    def chosen(self) -> RunSnapshot | None:
        """The run under the cursor; None if the list is empty."""
        name = self.query_one(RunTable).chosen
        return next((run for run in self.fer.runs or () if run.name == name), None)

    @property
    def tabs(self) -> RunTabs | None:
        """The highlighted run's plot, log and warnings; None until they are mounted."""
        return self.query_one(RunDetail).tabs

    @property
    def mounted_tabs(self) -> RunTabs:
        """The mounted tabs. Before they are mounted, `check_action` disables the actions that use them."""
        assert self.tabs is not None
        return self.tabs

    @on(RunDetail.TabsMounted)
    def _detail_completed(self) -> None:
        self.refresh_bindings()

    def show_log(self, run: Path, lines: list[str], *, is_new: bool) -> None:
        """Append lines to the log if the run is the highlighted one."""
        chosen = self.chosen
        if self.is_mounted and chosen is not None and chosen.path == run:
            self.query_one(RunDetail).show_log(lines, is_new=is_new)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable the actions that apply to the highlighted run."""
        if not self.is_mounted:
            return True
        chosen = self.chosen
        has_ended = chosen is not None and chosen.state in FINAL_STATES
        allowed = {
            "filter": bool(self.fer.runs),
            "clear_filter": bool(self.query_one("#filter-line").display),
            "split": self.tabs is not None and bool(self.tabs.plot.overlaid),
            "resume": has_ended,
            "stop": chosen is not None and not has_ended,
            "delete": has_ended,
        }
        for name in ("mark", "inspect"):
            allowed[name] = chosen is not None
        for name in ("metric", "log_axis", "smooth", "output", "warnings"):
            allowed[name] = chosen is not None and self.tabs is not None
        return allowed.get(action, True)

    def action_filter(self) -> None:
        """Open the filter."""
        self.query_one("#filter-line").display = True
        self.query_one("#filter", Input).focus()
        self.refresh_bindings()

    def action_clear_filter(self) -> None:
        """Close the filter and show every run."""
        self.query_one("#filter", Input).value = ""
        self.query_one("#filter-line").display = False
        self.query_one(RunTable).focus()
        self.show_runs()

    @on(Input.Changed, "#filter")
    def _filter_changed(self) -> None:
        self.show_runs()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        if not self.query_one("#filter", Input).value:
            self.action_clear_filter()
        self.query_one(RunTable).focus()

    def action_mark(self) -> None:
        """Mark or unmark the highlighted run."""
        if self.chosen:
            self.fer.marked ^= {self.chosen.name}

    def action_metric(self) -> None:
        """Plot the next metric."""
        self.mounted_tabs.plot.next_metric()

    def action_log_axis(self) -> None:
        """Toggle the logarithmic axis."""
        self.mounted_tabs.plot.toggle_log()

    def action_smooth(self) -> None:
        """Toggle the running mean."""
        self.mounted_tabs.plot.toggle_smooth()

    def action_output(self) -> None:
        """Show the log or, if it is shown, the plot."""
        self.mounted_tabs.toggle("log-pane")

    def action_warnings(self) -> None:
        """Show the warnings or, if they are shown, the plot."""
        self.mounted_tabs.toggle("warnings-pane")

    def action_split(self) -> None:
        """Toggle between the marked runs' training and validation metric."""
        self.mounted_tabs.plot.toggle_split()

    async def action_resume(self) -> None:
        """Resume the highlighted run; ask first for data that are missing, more epochs or a learning rate."""
        run = self.chosen
        if run is None:
            return
        missing = await asyncio.to_thread(missing_data, run)
        if missing is None:
            await self._ask_and_resume(run, None)
            return

        async def with_data(data: str | None) -> None:
            if data is not None:
                await self._ask_and_resume(run, Path(data))

        note = f"{escape_control(str(missing))} is missing. Where is this data set now?"
        self.app.push_screen(AskPathScreen("Data of the run", note, str(missing), "Resume"), with_data)

    async def _ask_and_resume(self, run: RunSnapshot, data: Path | None) -> None:
        """Resume a run, once the user has given more epochs (completed) or a learning rate (diverged)."""

        async def with_epochs(epochs: float | None) -> None:
            if epochs is not None:
                await self._resume(run.path, epochs=int(epochs), data=data)

        async def with_rate(rate: float | None) -> None:
            if rate is not None:
                await self._resume(run.path, learning_rate=rate, data=data)

        if run.state == "completed":
            self.app.push_screen(ask_epochs(run), with_epochs)
        elif run.state == "diverged":
            self.app.push_screen(ask_rate(run), with_rate)
        else:
            await self._resume(run.path, data=data)

    async def _resume(
        self,
        run: Path,
        *,
        epochs: int | None = None,
        learning_rate: float | None = None,
        data: Path | None = None,
    ) -> None:
        try:
            await self.fer.resume_run(run, epochs, learning_rate, data)
            note = await asyncio.to_thread(resume_caveat, run)
        except FerError as error:
            self.notify(escape_control(str(error)), severity="error", markup=False)
        else:
            if note:
                self.notify(f"This run {note}.", title=escape_control(run.name), markup=False)

    @on(RunTable.Chosen)
    def _look_at(self, event: RunTable.Chosen) -> None:
        self.fer.inspected = event.name or self.fer.inspected

    def action_inspect(self) -> None:
        """Open the Inspect screen for the highlighted run."""
        if self.chosen:
            self.fer.inspect_run(self.chosen.name)

    def action_stop(self) -> None:
        """Ask for confirmation, then ask the run to stop."""
        run = self.chosen
        if run is None:
            return

        async def answered(yes: bool | None) -> None:
            if yes:
                try:
                    await self.fer.stop_run(run.path)
                except RunError as error:
                    self.notify(escape_control(str(error)), severity="error", markup=False)
                else:
                    self.notify("The run stops after the current batch.", title="Stop requested", markup=False)

        question = (
            f"Stop {escape_control(run.name)} after the current batch?\nYou can resume it from its last complete epoch."
        )
        self.app.push_screen(ConfirmScreen(question, "Stop"), answered)

    def action_delete(self) -> None:
        """Ask for confirmation, then delete the highlighted run's directory."""
        run = self.chosen
        if run is None:
            return

        async def answered(yes: bool | None) -> None:
            if yes:
                try:
                    # `delete_run` waits for a heartbeat if another host holds the run's lock.
                    await asyncio.to_thread(delete_run, run.path)
                except RunError as error:
                    self.notify(escape_control(str(error)), severity="error", markup=False)
                self.fer.poller.poll_now()

        question = f"Delete {escape_control(run.name)} with its model and metrics?\nThis cannot be undone."
        self.app.push_screen(ConfirmScreen(question, "Delete"), answered)
