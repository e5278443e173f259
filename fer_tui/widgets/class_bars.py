"""Bars and numbers of the images of each class in each split."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual.app import RenderResult
from textual.geometry import Size
from textual.widget import Widget

from fer_tui.console.output import escape_control

LONGEST_NAME = 16
# The block is not of full height, so that bars of adjacent lines stay separate.
BLOCK = "▆"


class ClassBars(Widget):
    """One line per class and one column per split, all on the same scale."""

    DEFAULT_CSS = "ClassBars { height: auto; width: 1fr; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.counts: Mapping[str, Mapping[str, int]] = {}
        self.chosen: str | None = None

    def show(self, counts: Mapping[str, Mapping[str, int]], chosen: str | None) -> None:
        """Set the counts (split -> class -> images) and the chosen class, None for all classes."""
        self.counts, self.chosen = counts, chosen
        self.refresh(layout=True)

    @property
    def class_names(self) -> list[str]:
        """The class names, in the order of their lines."""
        return list(dict.fromkeys(name for split in self.counts.values() for name in split))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return one line per class, plus the headings and the totals."""
        return len(self.class_names) + 2 if self.counts else 0

    def render(self) -> RenderResult:
        """Render the lines."""
        if not self.counts:
            return Text("")
        names = {name: escape_control(name) for name in self.class_names}
        label = min(max(cell_len(shown) for shown in (*names.values(), "all")), LONGEST_NAME)
        number = max(len(f"{sum(split.values()):,}") for split in self.counts.values())
        column = max((self.size.width - label - 2) // len(self.counts) - 2, number + 3)
        most = max(count for split in self.counts.values() for count in split.values())
        lines = [self._headings(label, column)]
        for name, shown in names.items():
            line = Text("▸ " if name == self.chosen else "  ", no_wrap=True)
            line.append(set_cell_size(shown, label), style="bold" if name == self.chosen else "")
            for split, counts in self.counts.items():
                count = counts.get(name, 0)
                line.append("  ")
                line.append(f"{count:>{number},} ")
                length = column - number - 1
                filled = max(round(length * count / most), 1) if count and most else 0
                line.append(BLOCK * filled, style=self._colour(split))
                line.append(" " * (length - filled))
            lines.append(line)
        lines.append(self._sums(label, column, number))
        return Text("\n").join(lines)

    def _colour(self, split: str) -> str:
        colours = self.app.theme_variables
        return colours[
            "series-validation" if split == "validation" else "series-train" if split == "train" else "secondary"
        ]

    def _headings(self, label: int, column: int) -> Text:
        line = Text(" " * (label + 2), style="dim", no_wrap=True)
        for split in self.counts:
            line.append("  " + set_cell_size(split, column))
        return line

    def _sums(self, label: int, column: int, number: int) -> Text:
        line = Text("  " + "all".ljust(label), style="dim", no_wrap=True)
        for counts in self.counts.values():
            line.append("  " + set_cell_size(f"{sum(counts.values()):>{number},}", column))
        return line
