"""Bars of the predicted probabilities of one image, most likely class first."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len
from rich.text import Text
from textual.app import RenderResult
from textual.geometry import Size
from textual.widget import Widget

from fer_tui.console.output import escape_control
from fer_tui.widgets.class_bars import BLOCK, LONGEST_NAME
from fer_tui.widgets.confusion_matrix import fit_to_width


class ProbabilityBars(Widget):
    """One line per class; the first is the predicted class."""

    DEFAULT_CSS = "ProbabilityBars { height: auto; width: 1fr; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.probabilities: Mapping[str, float] = {}

    def show(self, probabilities: Mapping[str, float]) -> None:
        """Set the classes' probabilities, from 0 to 1, most likely first."""
        self.probabilities = probabilities
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return one line per class."""
        return len(self.probabilities)

    def render(self) -> RenderResult:
        """Render the lines."""
        label = min(max((cell_len(escape_control(name)) for name in self.probabilities), default=0), LONGEST_NAME)
        room = max(self.size.width - label - len(" 100.0% "), 1)
        colour = self.app.theme_variables["primary"]
        lines = []
        for place, (name, probability) in enumerate(self.probabilities.items()):
            line = Text(fit_to_width(escape_control(name), label), style="" if place else "bold", no_wrap=True)
            line.append(f" {probability:>6.1%} ").append(BLOCK * round(room * probability), style=colour)
            lines.append(line)
        return Text("\n").join(lines)
