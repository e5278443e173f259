"""Faces drawn as half blocks, two pixels per cell, which any terminal with colours can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import set_cell_size
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from fer_tui.console.output import escape_control

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 12
SMALLEST = 5
GAP = 2


@dataclass(frozen=True)
class Face:
    """An image with its label."""

    label: str
    image: Image

    def caption(self, room: int) -> str:
        """Return the text below the image, in `room` cells."""
        return set_cell_size(escape_control(self.label), room)


class FaceGrid(Widget, can_focus=False):
    """A grid of as many faces as fit, each with its caption."""

    DEFAULT_CSS = "FaceGrid { width: 1fr; height: 1fr; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.faces: Sequence[Face] = ()
        self._drawn: tuple[object, list[Strip]] = (None, [])

    def show(self, faces: Sequence[Face]) -> None:
        """Set the faces."""
        self.faces = faces
        self._drawn = (None, [])
        self.refresh()

    @property
    def shown(self) -> int:
        """The number of faces that fit."""
        _, across, down = self._layout()
        return min(len(self.faces), across * down)

    def render_line(self, y: int) -> Strip:
        """Render one line of the grid."""
        wanted = (id(self.faces), self.size, self.rich_style)
        if self._drawn[0] != wanted:
            self._drawn = (wanted, self._draw())
        lines = self._drawn[1]
        line = lines[y] if y < len(lines) else Strip([])
        return line.adjust_cell_length(self.size.width, self.rich_style)

    def _layout(self) -> tuple[int, int, int]:
        """Return the lines per face, the faces per row and the number of rows."""
        width, height = self.size
        across = max(-(-width // (2 * LARGEST + GAP)), 1)
        down = max(-(-height // (LARGEST + 1)), 1)
        lines = max(min(LARGEST, height // down - 1, (width // across - GAP) // 2), SMALLEST)
        return lines, max(width // (2 * lines + GAP), 1), max(height // (lines + 1), 1)

    def _draw(self) -> list[Strip]:
        lines, across, down = self._layout()
        space, plain = Segment(" " * GAP, self.rich_style), self.rich_style
        drawn: list[Strip] = []
        for row in range(down):
            faces = self.faces[row * across : (row + 1) * across]
            pictures = [half_blocks(face.image, lines) for face in faces]
            for y in range(lines):
                drawn.append(Strip([segment for picture in pictures for segment in (*picture[y], space)]))
            words = [Segment(face.caption(2 * lines), plain) for face in faces]
            drawn.append(Strip([segment for word in words for segment in (word, space)]))
        return drawn


def half_blocks(image: Image, lines: int) -> list[list[Segment]]:
    """Draw an image in `lines` lines of 2 x `lines` cells, two pixels per cell; keep its aspect ratio.

    Args:
        image: an image of any size, mode L or RGB.
        lines: the height in cells.
    """
    from PIL import Image as Images

    side = 2 * lines
    scale = side / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    picture = Images.new("RGB", (side, side))
    picture.paste(
        image.convert("RGB").resize(size, Images.Resampling.LANCZOS), ((side - size[0]) // 2, (side - size[1]) // 2)
    )
    pixels = picture.load()
    assert pixels is not None
    return [
        [
            Segment("▀", Style(color=_colour(pixels[x, 2 * y]), bgcolor=_colour(pixels[x, 2 * y + 1])))
            for x in range(side)
        ]
        for y in range(lines)
    ]


def _colour(pixel: object) -> Color:
    assert isinstance(pixel, tuple)
    return Color.from_rgb(*pixel)
