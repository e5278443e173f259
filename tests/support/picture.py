"""A screen as text: the character of each cell, and its style in each theme."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.style import Style
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from textual.app import App

ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike")


class Cell(NamedTuple):
    """A cell: its character, empty in the second half of a wide one, and its style."""

    text: str
    style: str


CellGrid = list[list[Cell]]


def capture_screen(app: App[Any]) -> CellGrid:
    """Return the current screen, with its dialogs, as lines of cells; empty while the screen opens."""
    width, height = app.size
    lines = [list(_cells(strip)) for strip in app.screen._compositor.render_strips()]
    if lines:
        assert len(lines) == height, "the screen and the terminal differ in height"
        assert all(len(line) == width for line in lines), "a line and the terminal differ in width"
    return lines


def _cells(strip: Any) -> Iterator[Cell]:
    for segment in strip:
        style = _described(segment.style or Style())
        assert segment.text.isprintable(), f"{segment.text!r} contains control characters"
        for character in segment.text:
            width = cell_len(character)
            yield from [Cell(character, style), Cell("", style)][:width] if width else ()


@cache
def _described(style: Style) -> str:
    words = [name for name in ATTRIBUTES if getattr(style, name)]
    for sign, colour in (("", style.color), ("on ", style.bgcolor)):
        if colour is not None:
            words.append(sign + (colour.triplet.hex if colour.triplet else colour.name))
    return " ".join(words)


def text_of(screen: CellGrid) -> str:
    """Return the text of the screen."""
    return "\n".join("".join(cell.text for cell in line).rstrip() for line in screen)


def format_snapshot(screens: Sequence[CellGrid]) -> str:
    """Return the text of a screen, then the styles of each line, first to last cell, in the themes in turn.

    Args:
        screens: the same screen in several themes; its text is the same in all of them. Of one alone there are no
            styles.
    """
    first, *others = screens
    if not others:
        return text_of(first) + "\n"
    for other in others:
        assert text_of(other) == text_of(first), "the text differs between themes"
    lines = [
        [" | ".join(dict.fromkeys(styles)) for styles in zip(*([c.style for c in line] for line in same), strict=True)]
        for same in zip(*screens, strict=True)
    ]
    ((commonest, _),) = Counter(style for line in lines for style in line).most_common(1)
    told = [text_of(first), f"elsewhere: {commonest}"]
    for number, line in enumerate(lines):
        at = 0
        for style, cells in groupby(line):
            count = len(list(cells))
            if style != commonest:
                told.append(f"{number}:{at}-{at + count - 1} {style}")
            at += count
    return "\n".join(told) + "\n"


class Pictures(SingleFileSnapshotExtension):
    """Stores each picture as a text file in `snapshots` beside the test."""

    _file_extension = "txt"
    _write_mode = WriteMode.TEXT

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """Return the folder of the pictures."""
        return str(Path(test_location.filepath).parent / "snapshots" / test_location.basename)
