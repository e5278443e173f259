"""A confusion matrix as a heat map with a cursor: rows are true classes, columns predicted ones."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.runs.predictions import most_confused_pair, row_normalized
from fer_tui.console.output import escape_control

CORNER = "true╲pred"
LONGEST_NAME = 12
WIDEST_CELL = 10
TALLEST_CELL = 3
NOTHING = "·"


def fit_to_width(name: str, room: int) -> str:
    """Return the name in `room` cells; a longer name ends in an ellipsis."""
    return set_cell_size(name if cell_len(name) <= room else set_cell_size(name, room - 1) + "…", room)


def heading(name: str, room: int) -> str:
    """Return the name in `room` cells, aligned to the right like the numbers below it."""
    short = fit_to_width(name, min(cell_len(name), room - 1))
    return " " * (room - 1 - cell_len(short)) + short + " "


class ConfusionMatrix(ScrollView, can_focus=True):
    """The matrix; class names stay visible while it scrolls. A cell's colour is its fraction of the row."""

    BINDING_GROUP_TITLE = "Confusion matrix"
    DEFAULT_CSS = """
    ConfusionMatrix { height: auto; width: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1, 0)", "Up", show=False, id="matrix.up", tooltip="Previous true class"),
        Binding("down,j", "move(1, 0)", "Down", show=False, id="matrix.down", tooltip="Next true class"),
        Binding("left,h", "move(0, -1)", "Left", show=False, id="matrix.left", tooltip="Previous predicted class"),
        Binding("right,l", "move(0, 1)", "Right", show=False, id="matrix.right", tooltip="Next predicted class"),
    ]

    class CellChosen(Message):
        """The cursor moved to another cell (row, column), or was removed (None)."""

        def __init__(self, cell: tuple[int, int] | None) -> None:
            super().__init__()
            self.cell = cell

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.classes_shown: tuple[str, ...] = ()
        self.matrix: tuple[tuple[int, ...], ...] = ()
        self.is_normalized = False
        self.cell: tuple[int, int] | None = None
        self._label_width = self._cell_width = self._cell_height = 1

    def show(self, classes: tuple[str, ...], matrix: tuple[tuple[int, ...], ...]) -> None:
        """Set the classes and the square matrix of image counts; new classes remove the cursor."""
        if classes != self.classes_shown:
            self.cell = None
            self.scroll_to(0, 0, animate=False)
        self.classes_shown, self.matrix = classes, matrix
        self._measure()
        self.refresh(layout=True)

    def set_normalized(self, is_normalized: bool) -> None:
        """Show percentages of the row, or counts."""
        self.is_normalized = is_normalized
        self._measure()
        self.refresh(layout=True)

    def choose(self, cell: tuple[int, int] | None) -> None:
        """Move the cursor to a cell, or remove it."""
        if cell == self.cell:
            return
        self.cell = cell
        if cell is not None:
            self._bring_into_sight(*cell)
        self.refresh()
        self.post_message(self.CellChosen(cell))

    def action_move(self, down: int, right: int) -> None:
        """Move the cursor; it starts at the most common mistake."""
        if not self.matrix:
            return
        if self.cell is None:
            self.choose(most_confused_pair(self.matrix))
        else:
            last = len(self.matrix) - 1
            self.choose((min(max(self.cell[0] + down, 0), last), min(max(self.cell[1] + right, 0), last)))

    def on_click(self, event: Click) -> None:
        """Choose the cell under the mouse."""
        offset = event.get_content_offset(self)
        if offset is None or not self.matrix:
            return
        label, width, height = self._label_width, self._cell_width, self._cell_height
        row, column = (
            (offset.y - 1 + self.scroll_offset.y) // height,
            (offset.x - label + self.scroll_offset.x) // width,
        )
        if offset.y >= 1 and offset.x >= label and row < len(self.matrix) and column < len(self.matrix):
            self.choose((row, column))

    # Layout: the line of names at the top and the column of names at the left do not scroll

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the lines of the names and of the rows."""
        return 1 + len(self.matrix) * self._cell_lines if self.matrix else 0

    def on_resize(self) -> None:
        """Measure the cells again."""
        self._measure()

    @property
    def _cell_lines(self) -> int:
        """Lines per cell: TALLEST_CELL if the class report still fits below, else 1; both are odd, to centre text."""
        count = max(len(self.matrix), 1)
        return TALLEST_CELL if (self.app.size.height - 10 - count) // count >= TALLEST_CELL else 1

    def _measure(self) -> None:
        """Compute the width of the names, the size of a cell and the scrollable size."""
        count = max(len(self.matrix), 1)
        names = max((cell_len(escape_control(name)) for name in self.classes_shown), default=0)
        self._label_width = max(min(names, LONGEST_NAME), len(CORNER)) + 2
        texts = [self._text(i, j) for i, row in enumerate(self.matrix) for j in range(len(row))]
        least = max((len(text) for text in texts), default=1) + 2
        self._cell_width = max(min((self.size.width - self._label_width) // count, WIDEST_CELL), least)
        self._cell_height = self._cell_lines
        self.virtual_size = Size(
            self._label_width + len(self.matrix) * self._cell_width, 1 + len(self.matrix) * self._cell_height
        )

    def _text(self, row: int, column: int) -> str:
        count = self.matrix[row][column]
        if not count:
            return NOTHING
        return f"{row_normalized(self.matrix[row : row + 1])[0][column]:.0%}" if self.is_normalized else f"{count:,}"

    def _bring_into_sight(self, row: int, column: int) -> None:
        label, width, height = self._label_width, self._cell_width, self._cell_height
        # A cell behind the fixed names is not visible.
        self.scroll_to_region(
            Region(column * width, row * height, label + width, 1 + height), animate=False, force=True
        )

    def render_line(self, y: int) -> Strip:
        """Render one line."""
        if not self.matrix:
            return Strip.blank(self.size.width, self.rich_style)
        label, width, height = self._label_width, self._cell_width, self._cell_height
        plain = self.rich_style
        if y == 0:
            names = [
                Segment(heading(escape_control(name), width), self._name_style(column))
                for column, name in enumerate(self.classes_shown)
            ]
            corner = Segment(fit_to_width(CORNER, label), plain + Style(dim=True))
            return self._with_name(corner, Strip(names), label)
        row, line = divmod(y - 1 + self.scroll_offset.y, height)
        if row >= len(self.matrix):
            return Strip.blank(self.size.width, plain)
        is_middle = line == (height - 1) // 2
        name = fit_to_width(escape_control(self.classes_shown[row]), label - 2) if is_middle else ""
        cells = Strip([self._segment(row, column, width, is_middle) for column in range(len(self.matrix))])
        return self._with_name(Segment(name.ljust(label), self._name_style(row, is_row=True)), cells, label)

    def _with_name(self, name: Segment, cells: Strip, label: int) -> Strip:
        start = self.scroll_offset.x
        seen = cells.crop(start, start + max(self.size.width - label, 0))
        return Strip([name, *seen]).adjust_cell_length(self.size.width, self.rich_style)

    def _name_style(self, index: int, *, is_row: bool = False) -> Style:
        is_chosen = self.cell is not None and self.cell[0 if is_row else 1] == index
        return self.rich_style + Style(bold=is_chosen, dim=not is_chosen)

    def _segment(self, row: int, column: int, width: int, is_middle: bool) -> Segment:
        is_chosen = self.cell == (row, column)
        text = self._text(row, column) if is_middle else ""
        inner = f"{text:>{width - 2}}"
        # Brackets mark the cursor in terminals without colours.
        words = f"[{inner}]" if is_chosen and is_middle else f" {inner} "
        return Segment(words, self._heat(row, column) + Style(bold=is_chosen or row == column, reverse=is_chosen))

    def _heat(self, row: int, column: int) -> Style:
        colours = self.app.theme_variables
        share = row_normalized(self.matrix[row : row + 1])[0][column]
        background = Color.parse(colours["background"])
        if background.ansi is not None:
            return self.rich_style
        hue = Color.parse(colours["primary" if row == column else "series-validation"])
        # The exponent makes small fractions visible: most mistakes are a few per cent.
        heat = background.blend(hue, 0.85 * share**0.6 if share else 0)
        words = heat.get_contrast_text(1.0) if share else Color.parse(colours["foreground"]).blend(background, 0.5)
        return Style(color=words.rich_color, bgcolor=heat.rich_color)
