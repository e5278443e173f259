"""The article's line graph of accuracy by model, with our runs added."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from core.comparison.columns import PUBLISHED_RUN, Row, is_reference
from core.comparison.table import best_of_models, models_in_order
from fer_tui.console.output import escape_control
from fer_tui.widgets.line_plot import LinePlot, Series

# Column, label, marker and colour of each line; filled markers are validation, hollow ones training.
OURS = (("val_accuracy", "our validation", "●", "series-1"), ("train_accuracy", "our training", "○", "series-1"))
ARTICLE = (
    ("val_accuracy", "article's validation", "■", "series-2"),
    ("train_accuracy", "article's training", "□", "series-2"),
)
AS_PUBLISHED = ("val_accuracy", "with the article's protocol", "▲", "series-3")
LEAST_WIDTH = 10


class AccuracyGraph(LinePlot):
    """Plot each model's best run, the article's results and the majority baseline."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.rows: Sequence[Row] = ()

    def show(self, rows: Sequence[Row]) -> None:
        """Set the rows of the comparison."""
        self.rows = rows
        self.outdate()

    def series(self, models: Sequence[str]) -> list[Series]:
        """Return the series over these models, at x = 1, 2, 3, ...; omit series without points."""
        ours = [row for row in self.rows if not is_reference(row)]
        sound = best_of_models([row for row in ours if row["protocol"] != PUBLISHED_RUN])
        as_published = best_of_models([row for row in ours if row["protocol"] == PUBLISHED_RUN])
        article = {row["model"]: row for row in self.rows if row["run"] == PUBLISHED_RUN}
        lines = [
            *((line, article) for line in ARTICLE),
            (AS_PUBLISHED, as_published),
            *((line, sound) for line in reversed(OURS)),
        ]
        found = [_baseline(row, len(models)) for row in self.rows if row["run"] == "majority"]
        for (column, label, marker, colour), of_model in lines:
            points = [
                (float(place), float(of_model[model][column]))
                for place, model in enumerate(models, 1)
                if model in of_model and of_model[model][column] is not None
            ]
            found.append(Series(label, points, marker, colour))
        return [one for one in found if one.points]

    def draw(self) -> Content:
        """Return the heading, the legend and the plot."""
        models = models_in_order(self.rows)
        series = self.series(models)
        if not series or self.size.width < 30 or self.size.height < 8:
            return Content.styled("No accuracy to plot." if not series else "", "dim")
        counted = {model: sum(row["model"] == model for row in self.rows if not is_reference(row)) for model in models}
        of_several = ", best run of each by validation" if max(counted.values()) > 1 else ""
        heading = Content.styled(f"Accuracy by model{of_several}", "bold").truncate(self.size.width, ellipsis=True)
        lines = self.legend(series[::-1])
        # Truncate labels, so that they do not overlap.
        room = max(self.size.width // (len(models) + 1), LEAST_WIDTH) - 1
        labels = [Content(escape_control(model)).truncate(room, ellipsis=True).plain for model in models]
        every = max(1, -(-len(models) * (room + 1) // self.size.width))
        ticks = range(1, len(models) + 1)
        plot = self.plotted(
            series,
            self.size.height - 1 - len(lines),
            least=0,
            ticks=list(ticks)[::every],
            tick_labels=labels[::every],
        )
        return Content("\n").join([heading, *lines, plot])


def _baseline(row: Row, models: int) -> Series:
    accuracy = float(row["val_accuracy"] or 0)
    label = f"{escape_control(str(row['model']))}, {accuracy:.4f}"
    return Series(label, [(1.0, accuracy), (float(max(models, 2)), accuracy)], "─", "foreground", sign="──")
