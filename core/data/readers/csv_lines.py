"""Read the rows of a CSV file as programs write them: with a byte-order mark, another separator, or blank rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from core.errors import DatasetError

_SEPARATORS = ",;\t"
# The length of the longest header and of the longest cell, in characters. A cell may have the pixels of an image.
_MAX_HEADER = 65_536
_MAX_CELL = 2**20


def read_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of each row, including the header. Blank rows are skipped.

    This does not use pandas, which reads an index from rows longer than the header and pads shorter rows.

    Raises:
        DatasetError: the file is not a CSV file.
        OSError: the file can't be read.
    """
    csv.field_size_limit(_MAX_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator = _find_separator(file.readline(_MAX_HEADER))
            file.seek(0)
            reader = csv.reader(file, delimiter=separator)
            for cells in reader:
                if any(cell and not cell.isspace() for cell in cells):
                    yield reader.line_num, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: not a CSV file: {error}") from None


def read_header(path: Path) -> list[str]:
    """Return the names of a file's columns, see `column_names`; none if the file can't be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
            line = file.readline(_MAX_HEADER)
    except OSError:
        return []
    return column_names(next(csv.reader([line], delimiter=_find_separator(line)), []))


def column_names(header: list[str]) -> list[str]:
    """Return the names of a header in lower case, without blanks at the ends."""
    return [name.strip().casefold() for name in header]


def _find_separator(line: str) -> str:
    """Return the separator that is the most common in a line: comma, semicolon or tab."""
    return max(_SEPARATORS, key=line.count)
