"""The chosen run: what it says of itself, its plot, and the end of its log."""

from __future__ import annotations

import statistics

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Log, Static, TabbedContent, TabPane

from core.runs import RunSnapshot
from fer_tui.output import visible
from fer_tui.widgets.metric_plot import MetricPlot
from fer_tui.widgets.run_table import STATE_COLOURS

BAR = 12
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
    """Header, progress, plot and log of one run."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.run: RunSnapshot | None = None
        self.unread = 0

    def compose(self) -> ComposeResult:
        """Three lines of words above plot and log."""
        yield Static(id="run-name", markup=False)
        yield Static(id="run-state", markup=False)
        yield Static(id="run-progress", markup=False)
        with TabbedContent(id="run-tabs"):
            with TabPane("Plot", id="plot-pane"):
                yield MetricPlot(id="plot")
            with TabPane("Log", id="log-pane"):
                yield Log(id="log", max_lines=LOG_LINES, highlight=False)

    def show(self, run: RunSnapshot | None) -> None:
        """Take the chosen run's newest snapshot."""
        self.run = run
        if run is None:
            return
        colours = self.app.theme_variables
        self.query_one("#run-name", Static).update(Text(visible(run.name), style="bold"))
        state = Text(run.state, style=f"bold {colours.get(STATE_COLOURS.get(run.state, ''), '')}")
        if run.message:
            state.append(f"  {visible(run.message)}", style="not bold")
        self.query_one("#run-state", Static).update(state)
        self.query_one("#run-progress", Static).update(_progress(run))
        kept = run.kept_epoch()
        self.query_one(MetricPlot).show(run.history, kept["epoch"] if kept else None)

    def show_log(self, lines: list[str], *, is_new: bool) -> None:
        """Add lines of the log; `is_new` where they are another run's."""
        log = self.query_one(Log)
        if is_new:
            log.clear()
            self.unread = 0
        if lines:
            log.write_lines([visible(line) for line in lines])
        if not self._log_is_shown and not is_new:
            self.unread += len(lines)
        self._label_log()

    @property
    def _log_is_shown(self) -> bool:
        return self.query_one("#run-tabs", TabbedContent).active == "log-pane"

    def _label_log(self) -> None:
        label = f"Log ({self.unread} new)" if self.unread else "Log"
        tab = self.query_one("#run-tabs", TabbedContent).get_tab("log-pane")
        if str(tab.label) != label:
            tab.label = label

    def toggle_log(self) -> None:
        """Change between plot and log."""
        self.query_one("#run-tabs", TabbedContent).active = "plot-pane" if self._log_is_shown else "log-pane"

    def on_tabbed_content_tab_activated(self) -> None:
        """What is shown is read."""
        if self._log_is_shown:
            self.unread = 0
            self._label_log()


def _progress(run: RunSnapshot) -> Text:
    """Where the run stands: within its epoch while it runs, what it came to otherwise."""
    epochs = run.config.get("epochs", "?")
    if run.state == "running":
        batch, batches = run.status.get("batch") or 0, run.status.get("batches") or 0
        parts = [f"epoch {run.status.get('epoch') or 0}/{epochs}", f"{bar(batch, batches)} {batch}/{batches or '?'}"]
        speed = run.history[-1]["images_per_second"] if run.history else float("nan")
        left = time_left(run)
        parts += [f"{speed:,.0f} images/s"] if speed == speed else []
        parts += [f"{duration(left)} left"] if left is not None else []
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
