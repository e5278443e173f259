"""A run's metric over its epochs, train against validation; the one place that knows plotext."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.style import Style
from rich.text import Text
from textual.app import RenderResult
from textual.color import Color
from textual_plotext import PlotextPlot

from core.runs import METRICS

SMOOTHING = 0.6
# Dots and blocks are told apart without colour; many fonts have no braille.
MARKERS = {"train": "•", "validation": "hd"}
LEGEND = {"train": "••", "validation": "▀▀"}
KEPT = "◆"
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class View:
    """How the history is looked at.

    Attributes:
        metric: one of core.runs.METRICS.
        log: whether the axis of the figures is logarithmic.
        smooth: whether a running mean is drawn in place of the figures.
    """

    metric: str = "loss"
    log: bool = False
    smooth: bool = False


class MetricPlot(PlotextPlot):
    """The plot; drawn again only when history, view, size or theme changed."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.view = View()
        self.history: Sequence[Mapping[str, float]] = ()
        self.kept: float | None = None

    def show(self, history: Sequence[Mapping[str, float]], kept: float | None) -> None:
        """Take a history and the number of its kept epoch."""
        if history is not self.history or kept != self.kept:
            self.history, self.kept = history, kept
            self.refresh()

    def next_metric(self) -> None:
        """Look at the next metric."""
        following = METRICS[(METRICS.index(self.view.metric) + 1) % len(METRICS)]
        self._look(replace(self.view, metric=following))

    def toggle_log(self) -> None:
        """Change between a linear and a logarithmic axis."""
        self._look(replace(self.view, log=not self.view.log))

    def toggle_smooth(self) -> None:
        """Change between the figures and their running mean."""
        self._look(replace(self.view, smooth=not self.view.smooth))

    def _look(self, view: View) -> None:
        self.view = view
        self.refresh()

    @property
    def heading(self) -> str:
        """What is drawn."""
        added = [word for word, on in (("log axis", self.view.log), ("smoothed", self.view.smooth)) if on]
        return ", ".join([self.view.metric, *added])

    def series(self) -> dict[str, Points]:
        """The points of train and validation as they are drawn; a series without any is left out."""
        found: dict[str, Points] = {}
        for name, column in (("train", self.view.metric), ("validation", f"val_{self.view.metric}")):
            points = [(row["epoch"], row[column]) for row in self.history if math.isfinite(row.get(column, math.nan))]
            if self.view.smooth:
                points = smoothed(points)
            if self.view.log:
                points = [point for point in points if point[1] > 0]
            if points:
                found[name] = thinned(points, max(self.size.width, 10))
        return found

    def render(self) -> RenderResult:
        """Draw legend and plot, or say why there is none."""
        series = self.series()
        if not series or self.size.width < 20 or self.size.height < 5:
            return Text("" if self.history else "No epoch is done yet.", style="dim", justify="center")
        colours = {name: Color.parse(self.app.theme_variables[f"series-{name}"]) for name in series}
        accent = Color.parse(self.app.theme_variables["accent"])
        best = dict(series.get("validation", ())).get(self.kept or 0)
        legend = Text(f"{self.heading}  ", style="bold", no_wrap=True, overflow="ellipsis", end="")
        for name, colour in colours.items():
            legend.append(f"  {LEGEND[name]} {name}", Style(color=colour.rich_color, bold=False))
        if best is not None:
            legend.append(f"  {KEPT} kept, epoch {self.kept:.0f}", Style(color=accent.rich_color, bold=False))
        plot = self.plt
        plot.clear_figure()
        plot.plotsize(self.size.width, self.size.height - 1)
        # As textual-plotext does: plotsize alone keeps the size of the first drawing.
        plot._set_size(self.size.width, self.size.height - 1)
        self._draw(series, {name: colour.rgb for name, colour in colours.items()})
        if best is not None:
            plot.scatter([self.kept], [best], marker=KEPT, color=accent.rgb)
        return Text.assemble(legend, "\n", Text.from_ansi(plot.build()))

    def _draw(self, series: Mapping[str, Points], colours: Mapping[str, tuple[int, int, int]]) -> None:
        plot = self.plt
        plot.canvas_color("default")
        plot.axes_color("default")
        plot.ticks_color("default")
        plot.xaxes(True, False)
        plot.yaxes(True, False)
        if self.view.log:
            plot.yscale("log")
        for name, points in series.items():
            epochs, figures = (list(values) for values in zip(*points, strict=True))
            draw = plot.plot if len(points) > 1 else plot.scatter
            draw(epochs, figures, marker=MARKERS[name], color=colours[name])
        plot.xticks(_ticks(series, self.size.width))


def smoothed(points: Points) -> Points:
    """The exponential mean of the figures, without the bias towards the first."""
    made: Points = []
    mean = weight = 0.0
    for epoch, figure in points:
        mean = SMOOTHING * mean + (1 - SMOOTHING) * figure
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        made.append((epoch, mean / weight))
    return made


def thinned(points: Points, most: int) -> Points:
    """At most so many points, evenly, the first and the last among them."""
    if len(points) <= most:
        return points
    return [points[round(place * (len(points) - 1) / (most - 1))] for place in range(most)]


def _ticks(series: Mapping[str, Points], width: int) -> list[float]:
    """Whole epochs, as many as have room."""
    epochs = [epoch for points in series.values() for epoch, _ in points]
    first, last = int(min(epochs)), int(max(epochs))
    step = max(1, math.ceil((last - first) / max(width // 10, 2)))
    return [*range(first, last, step), last] if last > first else [first]
