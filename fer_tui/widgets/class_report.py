"""Bars and numbers of every class's precision, recall and F1."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text
from textual.app import RenderResult
from textual.geometry import Size
from textual.widget import Widget

from core.runs.predictions import ClassReportRow, macro_average
from fer_tui.console.output import escape_control
from fer_tui.widgets.class_bars import BLOCK, LONGEST_NAME
from fer_tui.widgets.confusion_matrix import fit_to_width

FIGURES = {"precision": "primary", "recall": "series-validation", "f1": "secondary"}
HEADINGS = {"precision": "precision", "recall": "recall", "f1": "F1"}
MEAN = "mean"


class ClassReport(Widget):
    """One line per class and one for the macro average."""

    DEFAULT_CSS = "ClassReport { height: auto; width: 1fr; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.figures: Sequence[ClassReportRow] = ()
        self.chosen: frozenset[str] = frozenset()

    def show(self, figures: Sequence[ClassReportRow], chosen: frozenset[str]) -> None:
        """Set the metrics and the chosen classes."""
        self.figures, self.chosen = figures, chosen
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return one line per class, plus the headings and the macro average."""
        return len(self.figures) + 2 if self.figures else 0

    def render(self) -> RenderResult:
        """Render the lines."""
        if not self.figures:
            return Text("")
        rows = [*self.figures, macro_average(self.figures, MEAN)]
        label = min(max(*(cell_len(escape_control(row.name)) for row in rows), len(MEAN)), LONGEST_NAME)
        support = max(len(f"{rows[-1].support:,}"), len("images"))
        column = max((self.size.width - label - support - 2) // 3 - 2, len("precision"))
        headings = Text(" " * (label + 2), style="dim", no_wrap=True)
        for figure in FIGURES:
            headings.append("  " + HEADINGS[figure].ljust(column))
        lines = [headings.append(f"{'images':>{support}}")]
        for row in rows:
            lines.append(self._line(row, row is rows[-1], label, column).append(f"{row.support:>{support},}"))
        return Text("\n").join(lines)

    def _line(self, row: ClassReportRow, is_mean: bool, label: int, column: int) -> Text:
        is_chosen = row.name in self.chosen and not is_mean
        colours = self.app.theme_variables
        line = Text("▸ " if is_chosen else "  ", style="dim" if is_mean else "", no_wrap=True)
        line.append(fit_to_width(escape_control(row.name), label), style="bold" if is_chosen else "")
        for figure, colour in FIGURES.items():
            share = getattr(row, figure)
            length = column - len("0.00 ")
            filled = max(round(length * share), 1) if share else 0
            line.append(f"  {share:.2f} ")
            line.append(BLOCK * filled, style=colours[colour])
            line.append(" " * (length - filled))
        return line
