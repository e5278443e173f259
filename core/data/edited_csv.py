"""Read CSV files that people edit, as spreadsheets and editors save them."""

from __future__ import annotations

import codecs
import csv
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from core.system.files import from_utf8

if TYPE_CHECKING:
    from _csv import Reader

# The characters that may separate columns. Spreadsheets write semicolons where the decimal separator is a comma.
_DELIMITERS = (",", ";", "\t")
# Excel's first line that names the delimiter.
_DELIMITER_LINE = re.compile(r"sep=([,;\t])\r?\n", re.IGNORECASE)
# A line with its end. `str.splitlines` would also split at characters that may be in a name.
_LINES = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# An unknown column that is so similar to a missing one is probably a misspelling of it.
_MISSPELLED = 0.81


class EditedCsvError(ValueError):
    """A file can't be read. The message says why, in which line or column, and what to do."""


class EditedCsv:
    """A CSV file that a person may have written or changed.

    It may begin with a byte-order mark, be UTF-8 or UTF-16, and separate its columns with commas, semicolons or tabs.
    Blank lines are skipped. Column names may have other capitals, and blanks around them.

    Attributes:
        columns: the names of the columns in the file's order. Known names are spelled as the caller spells them.

    Example:
        >>> table = EditedCsv(content, needed=("path", "label"), optional=("split",))
        >>> labels = {row["path"]: row["label"] for line, row in table.rows()}
    """

    def __init__(self, content: bytes, needed: Sequence[str], optional: Sequence[str] = ()) -> None:
        """Read the header.

        Args:
            content: the file's bytes.
            needed: the columns that the file must have.
            optional: other columns that the caller uses.

        Raises:
            EditedCsvError: the file is not text, or the header lacks a column, has one twice or misspells one.
        """
        text = _decode(content)
        named = _DELIMITER_LINE.match(text)
        self._text = text[named.end() :] if named else text
        self._skipped_lines = 1 if named else 0
        known = {_normalize(name): name for name in (*needed, *optional)}
        delimiters = (named[1],) if named else _DELIMITERS
        self._delimiter = max(delimiters, key=lambda each: len(known.keys() & map(_normalize, self._header(each))))
        header = self._header(self._delimiter)
        self._has_blanks = any(name != name.strip() for name in header)
        self.columns = tuple(known.get(_normalize(name), name.strip(' "')) for name in header)
        self._check_columns(needed, optional)

    def rows(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Yield the line number and the cells of each row, by column.

        If the header has blanks around its names, the blanks around all cells are removed. Otherwise they may belong
        to a value: compare the stripped value only if the cell itself is not a known value.

        Raises:
            EditedCsvError: a row has more or fewer cells than the header, or its quotes are wrong.
        """
        reader = self._reader(self._delimiter, skips_blanks=self._has_blanks, strict=True)
        is_header = True
        try:
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if is_header:
                    is_header = False
                    continue
                yield self._line(reader), self._row(cells, self._line(reader))
        except csv.Error as error:
            raise EditedCsvError(f"line {self._line(reader)}: {error}; check the quotes in this line") from None

    def _row(self, cells: list[str], line: int) -> Mapping[str, str]:
        width = len(self.columns)
        if len(cells) < width or any(cell.strip() for cell in cells[width:]):
            raise EditedCsvError(
                f"line {line}: the number of cells differs from the header ({len(cells)}, not {width}); add the "
                f"missing ones, or put cells that contain {self._delimiter!r} into double quotes"
            )
        return dict(zip(self.columns, (cell.strip() if self._has_blanks else cell for cell in cells), strict=False))

    def _line(self, reader: Reader) -> int:
        return reader.line_num + self._skipped_lines

    def _reader(self, delimiter: str, *, skips_blanks: bool, strict: bool) -> Reader:
        lines = (match[0] for match in _LINES.finditer(self._text))
        return csv.reader(lines, delimiter=delimiter, skipinitialspace=skips_blanks, strict=strict)

    def _header(self, delimiter: str) -> list[str]:
        """Return the cells of the first line that is not blank. Blank cells at its end are no columns."""
        for cells in self._reader(delimiter, skips_blanks=False, strict=False):
            while cells and not cells[-1].strip():
                cells.pop()
            if cells:
                return cells
        return []

    def _check_columns(self, needed: Sequence[str], optional: Sequence[str]) -> None:
        for name in (*needed, *optional):
            if self.columns.count(name) > 1:
                raise EditedCsvError(f"the file has the column '{name}' twice; rename or remove one of them")
        found = ", ".join(self.columns) or "nothing"
        for name in needed:
            if name not in self.columns:
                raise EditedCsvError(
                    f"the file has no column '{name}'; needs {', '.join(needed)} in its first line (found: {found}), "
                    "separated by commas, semicolons or tabs"
                )
        missing = {_normalize(name): name for name in optional if name not in self.columns}
        for column in self.columns:
            if column not in (*needed, *optional):
                similar = difflib.get_close_matches(_normalize(column), missing, n=1, cutoff=_MISSPELLED)
                if similar:
                    raise EditedCsvError(f"unknown column '{column}'; did you mean '{missing[similar[0]]}'?")


def _decode(content: bytes) -> str:
    """Return the text of a file. Bytes that are not UTF-8 become surrogates, as in paths of the operating system."""
    if content.startswith(_WORKBOOKS):
        raise EditedCsvError("the file is a workbook or an archive, not a CSV file; save it as CSV (UTF-8)")
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = content.decode("utf-16")
        else:
            text = from_utf8(content.removeprefix(codecs.BOM_UTF8))
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise EditedCsvError("the file is not a text file in UTF-8; save it as CSV (UTF-8)")
    return text


def _normalize(name: str) -> str:
    """Return a column name without its capitals, the blanks and quotes around it, and its kind of word separator."""
    return re.sub(r"[\s_-]+", "_", name.strip().strip('"').strip().casefold())
