"""Plots of a metric over epochs: train and validation of one run, or several marked runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from textual.content import Content
from textual.markup import escape

from core.runs.history import METRICS, Epochs, column
from fer_tui.console.output import escape_control
from fer_tui.key_labels import key_label
from fer_tui.widgets.line_plot import GAP, LinePlot, Points, Series
from fer_tui.widgets.overlay import RUN_MARKERS, OverlaidRun
from fer_tui.widgets.run_names import run_digits

SMOOTHING = 0.6
# Dots and blocks differ without colour; many fonts lack braille characters.
MARKERS = {"train": "•", "validation": "hd"}
SIGNS = {"train": "••", "validation": "▀▀"}
KEPT = "◆"
# The height in lines from which a legend may take several lines.
TALL = 20
MODEL = 16


@dataclass(frozen=True)
class View:
    """The options of the plot.

    Attributes:
        metric: one of core.runs.history.METRICS.
        log: whether the y axis is logarithmic.
        smooth: whether the plot shows a running mean instead of the values.
        train: whether marked runs are compared by their training metric instead of validation.
    """

    metric: str = "loss"
    log: bool = False
    smooth: bool = False
    train: bool = False


class MetricPlot(LinePlot):
    """The plot of the highlighted run or of the marked runs."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.view = View()
        self.history: Epochs = ()
        self.kept: float | None = None
        self.overlaid: tuple[OverlaidRun, ...] = ()
        self.beyond = 0
        self._shown: tuple[object, ...] = ()

    def show(self, history: Epochs, kept: float | None, overlaid: Sequence[OverlaidRun] = (), beyond: int = 0) -> None:
        """Set the histories to plot.

        Args:
            history: the highlighted run's history.
            kept: the number of the highlighted run's kept epoch.
            overlaid: the marked runs; two or more of them replace the highlighted run.
            beyond: the number of marked runs without a slot in the plot.
        """
        self.history, self.kept = history, kept
        self.overlaid, self.beyond = (tuple(overlaid), beyond) if len(overlaid) > 1 else ((), 0)
        subject = self._subject()
        if subject != self._shown:
            self._shown = subject
            self.outdate()

    def _subject(self) -> tuple[object, ...]:
        """Return what identifies the drawing; an unchanged history stays the same object."""
        if self.overlaid:
            return self.beyond, *((one.name, one.slot, id(one.history)) for one in self.overlaid)
        return id(self.history), self.kept

    def next_metric(self) -> None:
        """Plot the next metric."""
        following = METRICS[(METRICS.index(self.view.metric) + 1) % len(METRICS)]
        self._look(replace(self.view, metric=following))

    def toggle_log(self) -> None:
        """Toggle the logarithmic axis."""
        self._look(replace(self.view, log=not self.view.log))

    def toggle_smooth(self) -> None:
        """Toggle the running mean."""
        self._look(replace(self.view, smooth=not self.view.smooth))

    def toggle_split(self) -> None:
        """Toggle between the marked runs' training and validation metric."""
        self._look(replace(self.view, train=not self.view.train))

    def _look(self, view: View) -> None:
        self.view = view
        self.outdate()

    @property
    def column(self) -> str:
        """The history's column that compares the marked runs."""
        return self.view.metric if self.view.train else f"val_{self.view.metric}"

    def series(self) -> list[Series]:
        """Return the series to plot, smoothed and downsampled; omit series without points."""
        if self.overlaid:
            names = legend_names(self.overlaid, *self.size)
            found = [
                Series(name, self._points(one.history, self.column), RUN_MARKERS[one.slot], f"series-{one.slot + 1}")
                for name, one in zip(names, self.overlaid, strict=True)
            ]
        else:
            columns = {"train": self.view.metric, "validation": f"val_{self.view.metric}"}
            found = [
                Series(name, self._points(self.history, column), MARKERS[name], f"series-{name}", SIGNS[name])
                for name, column in columns.items()
            ]
            best = [point for point in found[1].points if point[0] == self.kept]
            found.append(Series(f"kept, epoch {self.kept or 0:.0f}", best, KEPT, "accent", joined=False))
        return [one for one in found if one.points]

    def _points(self, history: Epochs, name: str) -> Points:
        figures = zip(column(history, "epoch"), column(history, name), strict=True)
        points = [(epoch, figure) for epoch, figure in figures if math.isfinite(figure)]
        if self.view.smooth:
            points = smoothed(points)
        if self.view.log:
            points = [point for point in points if point[1] > 0]
        return downsample(points, max(self.size.width, 10), self.kept)

    def draw(self) -> Content:
        """Return the heading, the legend and the plot."""
        series = self.series()
        if not series or self.size.width < 20 or self.size.height < 6:
            has_epochs = self.history or any(one.history for one in self.overlaid)
            none = f"No values of {self.column if self.overlaid else self.view.metric} to plot."
            return Content.styled((none if not series else "") if has_epochs else "No complete epoch yet.", "dim")
        heading, legend = self.heading(), self.legend(series)
        if self.beyond:
            more = Content.styled(f"and {self.beyond} more", "dim")
            if legend[-1].cell_length + len(GAP) + more.cell_length <= self.size.width:
                legend[-1] += GAP + more
            else:
                legend.append(more)
        head = [heading, *legend]
        # Put heading and legend on one line if they fit: the plot gets larger in a small terminal.
        if len(legend) == 1 and heading.cell_length + 3 + legend[0].cell_length <= self.size.width:
            head = [heading + Content("   ") + legend[0]]
        ticks = epoch_ticks(series, self.size.width)
        plot = self.plotted(series, self.size.height - len(head), log=self.view.log, ticks=ticks)
        return Content("\n").join([*head, plot])

    def heading(self) -> Content:
        """Return the options; the shown key or a click on the word changes an option."""
        view = self.view
        words = {
            "metric": view.metric,
            "log_axis": "log axis" if view.log else "linear axis",
            "smooth": "smoothed" if view.smooth else "unsmoothed",
        }
        if self.overlaid:
            words["split"] = "train" if view.train else "validation"
        return Content("  ").join(
            Content.from_markup(f"[@click='screen.{action}'][b $primary]{escape(self._key(action))}[/] {word}[/]")
            for action, word in words.items()
        )

    def _key(self, action: str) -> str:
        return key_label(self.screen, f"runs.{action}")


def legend_names(overlaid: Sequence[OverlaidRun], width: int, height: int) -> list[str]:
    """Return the runs' names in the legend: model and hex digits, or only the digits if a low plot lacks room."""
    short = [escape_control(run_digits(one.name)) for one in overlaid]
    full = [f"{_cut(escape_control(one.model), MODEL)} {digits}" for one, digits in zip(overlaid, short, strict=True)]
    room = width - len("●   ") * len(overlaid) + len(GAP)
    if sum(Content(name).cell_length for name in full) <= room:
        return full
    if height >= TALL:
        return [_cut(name, width // 2) for name in full]
    return [_cut(name, max(room // len(overlaid), 4)) for name in short]


def _cut(text: str, cells: int) -> str:
    return Content(text).truncate(cells, ellipsis=True).plain


def smoothed(points: Points) -> Points:
    """Return the exponential moving average, corrected for the bias towards its start."""
    made: list[tuple[float, float]] = []
    mean = weight = 0.0
    for epoch, figure in points:
        mean = SMOOTHING * mean + (1 - SMOOTHING) * figure
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        made.append((epoch, mean / weight))
    return made


def downsample(points: Points, most: int, kept: float | None = None) -> Points:
    """Return at most `most` evenly spaced points, including the first, the last and the kept epoch's."""
    if len(points) <= most:
        return points
    places = {round(place * (len(points) - 1) / (most - 1)) for place in range(most)}
    at = next((place for place, point in enumerate(points) if point[0] == kept), None)
    if at is not None and at not in places:
        places = places - {min(places - {0, len(points) - 1}, key=lambda place: abs(place - at))} | {at}
    return [points[place] for place in sorted(places)]


def epoch_ticks(series: Sequence[Series], width: int) -> list[float]:
    """Return whole epochs for the x axis, as many as fit."""
    epochs = [epoch for one in series for epoch, _ in one.points]
    first, last = int(min(epochs)), int(max(epochs))
    step = max(1, math.ceil((last - first) / max(width // 10, 2)))
    # Omit a tick that is too close to the last one.
    return [*(tick for tick in range(first, last, step) if last - tick >= step / 2), last]
