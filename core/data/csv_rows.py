"""Read the rows of a CSV file as programs write them: with a byte-order mark, another separator, or blank rows.

`core.data.edited_csv` reads smaller files that people edit, and checks their columns.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from pathlib import Path

from core.errors import DatasetError

_SEPARATORS = ",;\t|"
# Excel's first line that names the separator.
_SEPARATOR_LINE = re.compile(r"\"?sep=([,;|\t])\"?\s*", re.IGNORECASE)
# The length of the longest header and of the longest cell, in characters. A cell may have the pixels of an image.
_MAX_HEADER = 65_536
_MAX_CELL = 2**20


def read_csv_rows(path: Path, *, errors: str = "strict", skip_blanks: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of each row, including the header. Blank rows are skipped.

    The file is UTF-8 or UTF-16. This does not use pandas, which reads an index from rows longer than the header and
    pads shorter rows.

    Args:
        path: the file.
        errors: how to decode bytes that are not UTF-8, see `bytes.decode`.
        skip_blanks: skip blanks at the start of a cell, so that a quoted cell may follow them.

    Raises:
        DatasetError: the file is not a CSV file.
        OSError: the file can't be read.
    """
    csv.field_size_limit(_MAX_CELL)
    try:
        with path.open(encoding=_find_encoding(path), errors=errors, newline="") as file:
            first = file.readline(_MAX_HEADER)
            named = _SEPARATOR_LINE.fullmatch(first)
            separator = named[1] if named else max(_SEPARATORS, key=first.count)
            if not named:
                file.seek(0)
            reader = csv.reader(file, delimiter=separator, skipinitialspace=skip_blanks)
            for cells in reader:
                if any(cell and not cell.isspace() for cell in cells):
                    yield reader.line_num + bool(named), cells
    except (UnicodeError, csv.Error) as error:
        raise DatasetError(f"{path}: not a CSV file: {error}") from None


def read_csv_columns(path: Path) -> list[str]:
    """Return the names of a file's columns, see `column_names`; none if the file is not a readable CSV file."""
    try:
        return column_names(next(read_csv_rows(path, errors="replace"), (0, []))[1])
    except (DatasetError, OSError):
        return []


def column_names(header: list[str]) -> list[str]:
    """Return the names of a header in lower case, without blanks at the ends."""
    return [name.strip().casefold() for name in header]


def _find_encoding(path: Path) -> str:
    """Return a text file's encoding, by its byte-order mark. Excel writes UTF-16 as "Unicode text"."""
    with path.open("rb") as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
