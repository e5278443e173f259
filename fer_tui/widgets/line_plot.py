"""Series over a common axis, with their legend; the one place that knows plotext."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.content import Content
from textual.style import Style
from textual_plotext import PlotextPlot

from fer_tui.textual_private import resize_plot

Points = Sequence[tuple[float, float]]
GAP = Content("  ")


@dataclass(frozen=True)
class Series:
    """What is drawn under one name.

    Attributes:
        label: its name, fit to be shown.
        points: (x, y) in the order in which they are joined.
        marker: plotext's name of what its points are drawn with; tells series apart without colour.
        colour: a theme variable.
        sign: how the marker looks in the legend.
        joined: whether lines join the points.
    """

    label: str
    points: Points
    marker: str
    colour: str
    sign: str = ""
    joined: bool = True


class LinePlot(PlotextPlot):
    """A plot that is drawn again only when what it shows, its size or the theme changed."""

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
        """Draw anew in the colours of another theme, once they hold."""
        self.app.theme_changed_signal.subscribe(self, lambda theme: self.outdate())

    def outdate(self) -> None:
        """Have it drawn again: what it shows changed."""
        self._drawn = None
        self.refresh()

    def render(self) -> Content:
        """The picture, drawn now or before."""
        if self._drawn is None or self._drawn[0] != self.size:
            self._drawn = self.size, self.draw()
        return self._drawn[1]

    def draw(self) -> Content:
        """Legend and plot, or why there is none."""
        raise NotImplementedError

    def legend(self, series: Sequence[Series]) -> list[Content]:
        """Sign and name of each series in its colour, in as few lines as they need."""
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
        """Axes and series.

        Args:
            series: later ones are drawn over earlier ones.
            height: lines that there is room for.
            log: whether the axis of the figures is logarithmic.
            least: where that axis begins; at the least figure, if not given.
            ticks: where the lower axis is labelled; where plotext likes it to be, if not given.
            tick_labels: what stands there, if not the numbers.
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
        if ticks is not None:
            plot.xticks(list(ticks), list(tick_labels or [f"{tick:.0f}" for tick in ticks]))
        return Content.from_rich_text(Text.from_ansi(plot.build()))
