"""Plots of series with a legend; only this module uses plotext."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.text import Text
from textual.content import Content
from textual.style import Style
from textual_plotext import PlotextPlot

from fer_tui.textual_private import resize_plot

Points = Sequence[tuple[float, float]]
GAP = Content("  ")
# The x axis and its labels, in lines.
_X_AXIS = 2
_MOST_Y_TICKS = 7


@dataclass(frozen=True)
class Series:
    """One line of a plot.

    Attributes:
        label: the name in the legend, with control characters already escaped.
        points: (x, y) pairs in drawing order.
        marker: plotext's marker name; series differ in it, so that they can be read without colour.
        colour: a theme variable.
        sign: the marker in the legend; `marker` if empty.
        joined: whether lines connect the points.
    """

    label: str
    points: Points
    marker: str
    colour: str
    sign: str = ""
    joined: bool = True


class LinePlot(PlotextPlot):
    """A plot that is drawn again only if its content, its size or the theme changed."""

    DEFAULT_CSS = """
    LinePlot {
        link-color: $foreground;
        link-style: none;
        link-color-hover: $foreground;
        link-background-hover: $primary 20%;
        link-style-hover: none;
    }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._drawn: tuple[object, Content] | None = None

    def on_mount(self) -> None:
        """Draw again after the theme's colours changed."""
        self.app.theme_changed_signal.subscribe(self, lambda theme: self.outdate())

    def outdate(self) -> None:
        """Draw the plot again, because its content changed."""
        self._drawn = None
        self.refresh()

    def render(self) -> Content:
        """Render the cached drawing, or draw it."""
        if self._drawn is None or self._drawn[0] != self.size:
            self._drawn = self.size, self.draw()
        return self._drawn[1]

    def draw(self) -> Content:
        """Return the legend and the plot, or a text if there is nothing to plot."""
        raise NotImplementedError

    def legend(self, series: Sequence[Series]) -> list[Content]:
        """Return the legend, each series in its colour, in as few lines as possible."""
        colours = self.app.theme_variables
        lines: list[Content] = []
        for one in series:
            part = Content.styled(f"{one.sign or one.marker} {one.label}", colours[one.colour])
            if lines and lines[-1].cell_length + len(GAP) + part.cell_length <= self.size.width:
                lines[-1] += GAP + part
            else:
                lines.append(part.truncate(self.size.width, ellipsis=True))
        return lines

    def plotted(
        self,
        series: Sequence[Series],
        height: int,
        *,
        log: bool = False,
        least: float | None = None,
        ticks: Sequence[float] | None = None,
        tick_labels: Sequence[str] | None = None,
    ) -> Content:
        """Return the axes and the series.

        Args:
            series: the series; later ones are drawn over earlier ones.
            height: the plot's height in lines.
            log: whether the y axis is logarithmic.
            least: the lower limit of the y axis; by default the smallest value.
            ticks: the positions of the labels on the x axis; by default plotext chooses them.
            tick_labels: the labels at `ticks`; by default the numbers.
        """
        plot, variables = self.plt, self.app.theme_variables
        plot.clear_figure()
        resize_plot(plot, self.size.width, height)
        plot.canvas_color("default")
        plot.axes_color("default")
        plot.ticks_color("default")
        plot.xaxes(True, False)
        plot.yaxes(True, False)
        if log:
            plot.yscale("log")
        plot.ylim(least, None)
        for one in series:
            x, y = (list(values) for values in zip(*one.points, strict=True))
            draw = plot.plot if one.joined and len(x) > 1 else plot.scatter
            draw(x, y, marker=one.marker, color=Style.parse(variables[one.colour]).foreground.rgb)  # pyright: ignore
        found = [y for one in series for _, y in one.points]
        values = row_ticks(min(found) if least is None else least, max(found), height - _X_AXIS, log=log)
        if values:
            plot.yticks(values, tick_texts(values))
        if ticks is not None:
            plot.xticks(list(ticks), list(tick_labels or [f"{tick:.0f}" for tick in ticks]))
        return Content.from_rich_text(Text.from_ansi(plot.build()))


def row_ticks(low: float, high: float, rows: int, *, log: bool = False) -> list[float]:
    """Return values for the y axis that lie exactly on lines of the plot, at equal distances.

    plotext would place evenly spaced values on the nearest lines, so that a label is off by up to half a line.

    Args:
        low: the value at the lowest line.
        high: the value at the highest line.
        rows: the number of lines.
        log: whether the axis is logarithmic.

    Returns:
        At most seven values in ascending order; none if the plot has no height or the values have no range.
    """
    if rows < 2 or not (math.isfinite(low) and math.isfinite(high)) or not low < high or (log and low <= 0):
        return []
    least_step = math.ceil((rows - 1) / (_MOST_Y_TICKS - 1))
    # The highest line has a label too if a slightly larger step allows it.
    step = next((step for step in (least_step, least_step + 1) if (rows - 1) % step == 0), least_step)
    places = [row / (rows - 1) for row in range(0, rows, step)]
    if log:
        return [low * (high / low) ** place for place in places]
    return [low + (high - low) * place for place in places]


def tick_texts(values: Sequence[float]) -> list[str]:
    """Return the values as text, with as many decimals as distinguish the closest two."""
    closest = min(after - before for before, after in pairwise(values))
    decimals = min(max(math.ceil(1 - math.log10(closest)), 0), 8) if closest > 0 else 8
    return [f"{value:.{decimals}f}" for value in values]
