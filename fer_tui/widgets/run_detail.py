"""The highlighted run: its state, progress and load, above the tabs with its plot, log and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from core.runs.progress import describe_silence, time_left
from core.runs.reader import RunSnapshot
from core.system.hardware import SystemLoad
from fer_tui.console.output import escape_control
from fer_tui.console.state_colours import theme_colour
from fer_tui.widgets.device_strip import DeviceStrip
from fer_tui.widgets.overlay import OverlaidRun

if TYPE_CHECKING:
    from fer_tui.widgets.run_tabs import RunTabs

BAR = 8


def format_duration(seconds: float) -> str:
    """Return seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bar(done: float, total: float, width: int = BAR) -> str:
    """Return a progress bar that is readable without colour."""
    filled = round(width * min(max(done / total, 0), 1)) if total else 0
    return "█" * filled + "░" * (width - filled)


class RunDetail(Vertical):
    """The run's state and progress and the machine's load; the tabs are mounted after the first paint."""

    class TabsMounted(Message):
        """The tabs are mounted."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.run: RunSnapshot | None = None
        self.tabs: RunTabs | None = None
        self._overlaid: tuple[Sequence[OverlaidRun], int] = ((), 0)
        self._early_lines: list[str] = []
        self._is_shown = False

    def compose(self) -> ComposeResult:
        """Yield the lines above the tabs."""
        yield Static(id="run-state", markup=False)
        yield Static(id="run-message", markup=False)
        yield Static(id="run-progress", markup=False)
        yield DeviceStrip(id="device")

    async def _add_tabs(self) -> None:
        from fer_tui.widgets.run_tabs import RunTabs

        tabs = RunTabs()
        await self.mount(tabs)
        self.tabs = tabs
        if self.run is not None:
            tabs.show(self.run, *self._overlaid)
        tabs.show_log(self._early_lines, is_new=True)
        self._early_lines = []
        self.post_message(self.TabsMounted())

    def show(self, run: RunSnapshot | None, overlaid: Sequence[OverlaidRun] = (), beyond: int = 0) -> None:
        """Show the highlighted run.

        Args:
            run: the highlighted run's newest snapshot; None if there is none.
            overlaid: the marked runs in the plot.
            beyond: the number of marked runs without a slot in the plot.
        """
        self.run, self._overlaid = run, (overlaid, beyond)
        if not self._is_shown:
            # Mounting the tabs takes as long as the rest of the screen: paint the text first.
            self._is_shown = True
            self.call_after_refresh(self._add_tabs)
        if run is None:
            return
        colours = self.app.theme_variables
        state = Text(run.state, style=f"bold {theme_colour(run.state, colours)}")
        state.append(f"  {escape_control(run.name)}", style=f"not bold {colours['foreground']}")
        self.query_one("#run-state", Static).update(state)
        message = self.query_one("#run-message", Static)
        told = describe_silence(run) or run.message
        message.display = bool(told)
        message.update(escape_control(told))
        self.query_one("#run-progress", Static).update(_progress(run))
        if self.tabs is not None:
            self.tabs.show(run, overlaid, beyond)

    def show_load(self, load: SystemLoad | None) -> None:
        """Show the machine's load."""
        self.query_one(DeviceStrip).show(self.run, load)

    def show_log(self, lines: list[str], *, is_new: bool) -> None:
        """Append lines to the log; `is_new` clears it first, for another run."""
        if self.tabs is not None:
            self.tabs.show_log(lines, is_new=is_new)
        else:
            self._early_lines = [*([] if is_new else self._early_lines), *lines]


def _progress(run: RunSnapshot) -> Text:
    """Return the progress within the epoch while the run trains, else its result."""
    epochs = run.config.get("epochs", "?")
    if run.state == "running":
        batch, batches = run.status.get("batch") or 0, run.status.get("batches") or 0
        parts = [f"epoch {run.status.get('epoch') or 0}/{epochs}", f"{bar(batch, batches)} {batch}/{batches or '?'}"]
        speed = run.history[-1]["images_per_second"] if run.history else float("nan")
        left = time_left(run)
        # A narrow terminal truncates the line, so the most useful parts come first.
        parts += [f"{format_duration(left)} left"] if left is not None else []
        parts += [f"{speed:,.0f} images/s"] if speed == speed else []
        return Text("  ".join(parts), no_wrap=True, overflow="ellipsis")
    if run.state == "queued":
        return Text("waiting for the previous run")
    kept = run.kept_epoch()
    if kept is None:
        return Text("no complete epoch")
    parts = [f"{len(run.history)} epochs in {format_duration(run.seconds)}", f"kept {kept['epoch']:.0f}"]
    parts += [
        f"{label} {kept[column]:.4f}"
        for label, column in (("val acc", "val_accuracy"), ("val loss", "val_loss"))
        if kept[column] == kept[column]
    ]
    return Text("  ".join(parts), no_wrap=True, overflow="ellipsis")
