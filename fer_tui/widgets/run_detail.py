"""The chosen run: what it says of itself, its plot, the end of its log, and what is wrong with its figures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Log, Static, TabbedContent, TabPane

from core.load import Load
from core.runs import RunSnapshot
from fer_tui.output import visible
from fer_tui.widgets.device_strip import DeviceStrip
from fer_tui.widgets.metric_plot import MetricPlot, Overlaid
from fer_tui.widgets.run_table import STATE_COLOURS

BAR = 8
LOG_LINES = 2_000


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def time_left(run: RunSnapshot) -> float | None:
    """Seconds until the last epoch is done, by the median of the last three; None before the first."""
    epochs, done = run.config.get("epochs"), len(run.history)
    took = [row["seconds"] for row in run.history[-3:] if row["seconds"] == row["seconds"]]
    if not took or not isinstance(epochs, int):
        return None
    batch, batches = run.status.get("batch"), run.status.get("batches")
    is_under_way = run.status.get("epoch") == done + 1 and isinstance(batch, int) and isinstance(batches, int)
    part = min(batch / batches, 1) if is_under_way and batches else 0  # pyright: ignore
    return max(epochs - done - part, 0) * statistics.median(took)


def bar(done: float, total: float, width: int = BAR) -> str:
    """A bar that reads without colour."""
    filled = round(width * min(max(done / total, 0), 1)) if total else 0
    return "█" * filled + "░" * (width - filled)


class RunDetail(Vertical):
    """State, progress, plot, log and warnings of one run, and the machine's load."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.run: RunSnapshot | None = None
        self.unread = 0

    def compose(self) -> ComposeResult:
        """Lines of words above plot, log and warnings."""
        yield Static(id="run-state", markup=False)
        yield Static(id="run-message", markup=False)
        yield Static(id="run-progress", markup=False)
        yield DeviceStrip(id="device")
        with TabbedContent(id="run-tabs"):
            with TabPane("Plot", id="plot-pane"):
                yield MetricPlot(id="plot")
            with TabPane("Log", id="log-pane"):
                yield Log(id="log", max_lines=LOG_LINES, highlight=False)
            with TabPane("Warnings", id="warnings-pane"), VerticalScroll(id="warnings-scroll"):
                yield Static(id="warnings", markup=False)

    def show(self, run: RunSnapshot | None, overlaid: Sequence[Overlaid] = (), beyond: int = 0) -> None:
        """Take the chosen run's newest snapshot, the marked runs, and how many of them have no place in the plot."""
        self.run = run
        if run is None:
            return
        colours = self.app.theme_variables
        state = Text(run.state, style=f"bold {colours.get(STATE_COLOURS.get(run.state, ''), '')}")
        state.append(f"  {visible(run.name)}", style=f"not bold {colours['foreground']}")
        self.query_one("#run-state", Static).update(state)
        message = self.query_one("#run-message", Static)
        message.display = bool(run.message)
        message.update(visible(run.message))
        self.query_one("#run-progress", Static).update(_progress(run))
        self.query_one("#warnings", Static).update(told_warnings(run))
        self._label("warnings-pane", f"Warnings ({len(run.warnings)})" if run.warnings else "Warnings")
        kept = run.kept_epoch()
        self.query_one(MetricPlot).show(run.history, kept["epoch"] if kept else None, overlaid, beyond)

    def show_load(self, load: Load | None) -> None:
        """Take what the machine does."""
        self.query_one(DeviceStrip).show(self.run, load)

    def show_log(self, lines: list[str], *, is_new: bool) -> None:
        """Add lines of the log; `is_new` where they are another run's."""
        log = self.query_one(Log)
        if is_new:
            log.clear()
            self.unread = 0
        if lines:
            log.write_lines([visible(line) for line in lines])
        if self._active != "log-pane" and not is_new:
            self.unread += len(lines)
        self._label_log()

    @property
    def _active(self) -> str:
        return self.query_one("#run-tabs", TabbedContent).active

    def _label_log(self) -> None:
        self._label("log-pane", f"Log ({self.unread} new)" if self.unread else "Log")

    def _label(self, pane: str, label: str) -> None:
        tab = self.query_one("#run-tabs", TabbedContent).get_tab(pane)
        if str(tab.label) != label:
            tab.label = label

    def toggle(self, pane: str) -> None:
        """Show `log-pane` or `warnings-pane`, or the plot again."""
        self.query_one("#run-tabs", TabbedContent).active = "plot-pane" if self._active == pane else pane

    def on_tabbed_content_tab_activated(self) -> None:
        """What is shown is read."""
        if self._active == "log-pane":
            self.unread = 0
            self._label_log()


def told_warnings(run: RunSnapshot) -> str:
    """What is wrong with a run, in full: why it ended, and what the audit holds against its figures."""
    told = [f"{run.state}: {run.message}"] if run.state in ("failed", "diverged") and run.message else []
    told += [f"{warning.get('code', 'warning')}: {warning.get('message', '')}" for warning in run.warnings]
    if told:
        return "\n\n".join(visible(text) for text in told)
    return "None: the audit found nothing." if run.evaluation else "The audit looks at a run when it is completed."


def _progress(run: RunSnapshot) -> Text:
    """Where the run stands: within its epoch while it runs, what it came to otherwise."""
    epochs = run.config.get("epochs", "?")
    if run.state == "running":
        batch, batches = run.status.get("batch") or 0, run.status.get("batches") or 0
        parts = [f"epoch {run.status.get('epoch') or 0}/{epochs}", f"{bar(batch, batches)} {batch}/{batches or '?'}"]
        speed = run.history[-1]["images_per_second"] if run.history else float("nan")
        left = time_left(run)
        # In a narrow terminal the line ends early: what is asked most comes first.
        parts += [f"{duration(left)} left"] if left is not None else []
        parts += [f"{speed:,.0f} images/s"] if speed == speed else []
        return Text("  ".join(parts), no_wrap=True, overflow="ellipsis")
    if run.state == "queued":
        return Text("waits for the run before it")
    kept = run.kept_epoch()
    if kept is None:
        return Text("no epoch was done")
    parts = [f"{len(run.history)} epochs in {duration(run.seconds)}", f"kept {kept['epoch']:.0f}"]
    parts += [
        f"{label} {kept[column]:.4f}"
        for label, column in (("val acc", "val_accuracy"), ("val loss", "val_loss"))
        if kept[column] == kept[column]
    ]
    return Text("  ".join(parts), no_wrap=True, overflow="ellipsis")
