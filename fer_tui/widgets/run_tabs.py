"""Tabs with the highlighted run's plot, log and warnings."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Log, Static, TabbedContent, TabPane

from core.runs.reader import RunSnapshot
from fer_tui.console.output import escape_control
from fer_tui.widgets.metric_plot import MetricPlot
from fer_tui.widgets.overlay import OverlaidRun

LOG_LINES = 2_000


class RunTabs(Vertical):
    """The plot, the log and the warnings of one run."""

    def __init__(self) -> None:
        super().__init__()
        self.unread = 0

    def compose(self) -> ComposeResult:
        """Yield the tabs."""
        with TabbedContent(id="run-tabs"):
            with TabPane("Plot", id="plot-pane"):
                yield MetricPlot(id="plot")
            with TabPane("Log", id="log-pane"):
                yield Log(id="log", max_lines=LOG_LINES, highlight=False)
            with TabPane("Warnings", id="warnings-pane"), VerticalScroll(id="warnings-scroll"):
                yield Static(id="warnings", markup=False)

    @property
    def plot(self) -> MetricPlot:
        """The plot."""
        return self.query_one(MetricPlot)

    def show(self, run: RunSnapshot, overlaid: Sequence[OverlaidRun], beyond: int) -> None:
        """Show a run; see `RunDetail.show`."""
        self.query_one("#warnings", Static).update(told_warnings(run))
        self._label("warnings-pane", f"Warnings ({len(run.warnings)})" if run.warnings else "Warnings")
        kept = run.kept_epoch()
        self.plot.show(run.history, kept["epoch"] if kept else None, overlaid, beyond)

    def show_log(self, lines: list[str], *, is_new: bool) -> None:
        """Append lines to the log; see `RunDetail.show_log`."""
        log = self.query_one(Log)
        if is_new:
            log.clear()
            self.unread = 0
        if lines:
            log.write_lines([escape_control(line) for line in lines])
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
        """Show `log-pane` or `warnings-pane` or, if it is shown, the plot."""
        self.query_one("#run-tabs", TabbedContent).active = "plot-pane" if self._active == pane else pane

    def on_tabbed_content_tab_activated(self) -> None:
        """Reset the number of unread log lines when the log is shown."""
        if self._active == "log-pane":
            self.unread = 0
            self._label_log()


def told_warnings(run: RunSnapshot) -> str:
    """Return the reason why the run failed or diverged, and the audit's warnings."""
    told = [f"{run.state}: {run.message}"] if run.state in ("failed", "diverged") and run.message else []
    told += [f"{warning['code']}: {warning.get('message', '')}" for warning in run.warnings]
    if told:
        return "\n\n".join(escape_control(text) for text in told)
    return "No warnings." if run.evaluation else "The audit checks a run when it is completed."
