"""Draw a Textual screen as an SVG: cells and blocks as one path per colour, and words as text in the reader's font."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.app import App

# A cell is twice as high as it is wide, so that half blocks are square.
WIDTH, HEIGHT, FONT = 9, 18, 15
MARGIN, RADIUS = 10, 8
FONTS = "'DejaVu Sans Mono',Menlo,Consolas,'Liberation Mono',monospace"
GROUND, INK = "#121212", "#e0e0e0"

Box = tuple[int, int, int, int]
Cell = tuple[str, Style, int]


def svg(app: App[Any], description: str) -> str:
    """Draw the app's current screen as an SVG.

    Args:
        app: a running app, headless or not.
        description: the picture's text alternative.
    """
    lines = screen_lines(app)
    width, height = app.size.width * WIDTH, app.size.height * HEIGHT
    boxes: dict[str, list[Box]] = defaultdict(list)
    blocks: dict[str, list[Box]] = defaultdict(list)
    words: list[str] = []
    for row, line in enumerate(lines):
        for box, colour in _grounds(line, row):
            boxes[colour].append(box)
        for box, colour in _blocks(line, row):
            blocks[colour].append(box)
        words += _words(line, row)
    whole = (width + 2 * MARGIN, height + 2 * MARGIN)
    ground = max(boxes, key=lambda colour: sum(box[2] * box[3] for box in boxes[colour]), default=GROUND)
    boxes.pop(ground, None)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole[0]} {whole[1]}" role="img" '
        f'aria-label="{escape(description)}">',
        f"<title>{escape(description)}</title>",
        f'<rect width="{whole[0]}" height="{whole[1]}" rx="{RADIUS}" fill="{ground}"/>',
        f'<g transform="translate({MARGIN},{MARGIN})">',
        '<g shape-rendering="crispEdges">',
        *(_path(colour, each) for found in (boxes, blocks) for colour, each in found.items()),
        "</g>",
        f'<g font-family="{FONTS}" font-size="{FONT}" style="white-space:pre">',
        *words,
        "</g></g></svg>",
    ]
    return "\n".join(parts) + "\n"


def screen_lines(app: App[Any]) -> list[list[Cell]]:
    """Return the character, style and width of each cell, line by line, including dialogs and the screens below."""
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    assert isinstance(update, LayoutUpdate)
    return [
        [
            (character, segment.style or Style.null(), cell_len(character))
            for strip in strips
            for segment in strip
            for character in _characters(segment)
        ]
        for strips in update.strips
    ]


def _characters(segment: Segment) -> str:
    return "" if segment.control else segment.text


def _path(colour: str, boxes: Iterable[Box]) -> str:
    drawn = "".join(f"M{x} {y}h{width}v{height}h-{width}z" for x, y, width, height in boxes)
    return f'<path fill="{colour}" d="{drawn}"/>'


def _colours(style: Style) -> tuple[str, str]:
    ink, ground = _hex(style.color, INK), _hex(style.bgcolor, GROUND)
    return (ground, ink) if style.reverse else (ink, ground)


def _hex(colour: Color | None, default: str) -> str:
    return default if colour is None or colour.is_default else colour.get_truecolor().hex


def _joined(found: Iterable[tuple[Box, str]]) -> Iterator[tuple[Box, str]]:
    """Merge neighbouring boxes of a line that have the same colour and height."""
    last: tuple[Box, str] | None = None
    for (x, y, width, height), colour in found:
        if last is not None:
            (left, top, wide, high), before = last
            if (top, high, before, left + wide) == (y, height, colour, x):
                last = (left, top, wide + width, high), colour
                continue
            yield last
        last = (x, y, width, height), colour
    if last is not None:
        yield last


def _placed(line: Sequence[Cell]) -> Iterator[tuple[int, Cell]]:
    at = 0
    for cell in line:
        yield at, cell
        at += cell[2]


def _grounds(line: Sequence[Cell], row: int) -> Iterator[tuple[Box, str]]:
    return _joined(
        ((at * WIDTH, row * HEIGHT, cells * WIDTH, HEIGHT), _colours(style)[1])
        for at, (_, style, cells) in _placed(line)
    )


def _block_parts(character: str) -> tuple[tuple[float, float, float, float], ...]:
    """Return the parts of its cell that a block element fills: left, top, width and height, each from 0 to 1."""
    code = ord(character)
    if character in _QUADRANTS:
        return tuple((x / 2, y / 2, 0.5, 0.5) for x, y in _QUADRANTS[character])
    if character == "▀":
        return ((0, 0, 1, 0.5),)
    if 0x2581 <= code <= 0x2588:
        high = (code - 0x2580) / 8
        return ((0, 1 - high, 1, high),)
    if 0x2589 <= code <= 0x258F:
        return ((0, 0, (0x2590 - code) / 8, 1),)
    return {"▐": ((0.5, 0, 0.5, 1),), "▔": ((0, 0, 1, 0.125),), "▕": ((0.875, 0, 0.125, 1),)}.get(character, ())


_TOP_LEFT, _TOP_RIGHT, _LOW_LEFT, _LOW_RIGHT = (0, 0), (1, 0), (0, 1), (1, 1)
_QUADRANTS = {
    "▖": (_LOW_LEFT,),
    "▗": (_LOW_RIGHT,),
    "▘": (_TOP_LEFT,),
    "▙": (_TOP_LEFT, _LOW_LEFT, _LOW_RIGHT),
    "▚": (_TOP_LEFT, _LOW_RIGHT),
    "▛": (_TOP_LEFT, _TOP_RIGHT, _LOW_LEFT),
    "▜": (_TOP_LEFT, _TOP_RIGHT, _LOW_RIGHT),
    "▝": (_TOP_RIGHT,),
    "▞": (_TOP_RIGHT, _LOW_LEFT),
    "▟": (_TOP_RIGHT, _LOW_LEFT, _LOW_RIGHT),
}


def _blocks(line: Sequence[Cell], row: int) -> Iterator[tuple[Box, str]]:
    def parts() -> Iterator[tuple[Box, str]]:
        for at, (character, style, _) in _placed(line):
            for x, y, width, height in _block_parts(character):
                left, top = round((at + x) * WIDTH), round((row + y) * HEIGHT)
                right, bottom = round((at + x + width) * WIDTH), round((row + y + height) * HEIGHT)
                yield (left, top, right - left, bottom - top), _colours(style)[0]

    return _joined(parts())


def _words(line: Sequence[Cell], row: int) -> Iterator[str]:
    """Yield text of one style at a time, stretched to the width of its cells in any font."""
    begun: int | None = None
    text, look = "", ""

    def element() -> str:
        shown = text.rstrip()
        return (
            f'<text x="{(begun or 0) * WIDTH}" y="{row * HEIGHT + 14}" textLength="{cell_len(shown) * WIDTH}"{look}>'
            f"{escape(shown, quote=False)}</text>"
        )

    for at, (character, style, _) in _placed(line):
        is_seen = bool(character.strip()) and not _block_parts(character)
        now = _look(style)
        # One space continues the text, two end it. A text does not begin with a space.
        if begun is not None and (now != look or _block_parts(character) or text.endswith("  ")):
            yield element()
            begun = None
        if begun is None and is_seen:
            begun, text, look = at, "", now
        if begun is not None:
            text += character
    if begun is not None:
        yield element()


def _look(style: Style) -> str:
    look = f' fill="{_colours(style)[0]}"'
    if style.bold:
        look += ' font-weight="bold"'
    if style.italic:
        look += ' font-style="italic"'
    if style.underline:
        look += ' text-decoration="underline"'
    return look
