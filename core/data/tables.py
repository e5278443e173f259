"""Read a table of text, row by row, from a CSV or Parquet file as people have it."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from core.data.parquet_files import is_parquet, open_parquet
from core.errors import DatasetError

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
_DELIMITERS = ",;\t|"
_BATCH_ROWS = 10_000
# The length of the longest header, in characters.
_MAX_HEADER = 65_536


def read_header(path: Path) -> list[str]:
    """Return the names of the columns, in lower case and without blanks at the ends.

    Columns of a Parquet file that have no text, such as images, are named too.

    Raises:
        DatasetError: the file is neither text nor Parquet, or reading Parquet needs an extra.
        OSError: the file can't be read.
    """
    names = open_parquet(path).schema_arrow.names if is_parquet(path) else next(_csv_rows(path), (0, []))[1]
    return [name.strip().casefold() for name in names]


def read_rows(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield each row's number and cells. The number is the line of a text file; rows of a Parquet file count from 1.

    A row may have another number of cells than the header.

    Raises:
        DatasetError: see `read_header`.
        OSError: the file can't be read.
    """
    if not is_parquet(path):
        yield from islice(_csv_rows(path), 1, None)
        return
    number = 0
    for batch in open_parquet(path).iter_batches(_BATCH_ROWS):
        for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            number += 1
            yield number, [_to_text(cell) for cell in cells]


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of each row that is not empty, the header first."""
    try:
        with path.open(encoding=_encoding(path), errors="surrogateescape", newline="") as file:
            first = file.readline(_MAX_HEADER)
            # Excel says the delimiter in a line of its own before the header.
            is_told = re.fullmatch(r"\"?sep=([,;|\t])\"?\s*", first, re.IGNORECASE)
            delimiter = is_told[1] if is_told else max(_DELIMITERS, key=first.count)
            if not is_told:
                file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
            for cells in reader:
                if any(cells):
                    yield reader.line_num, cells
    except (UnicodeError, csv.Error) as error:
        raise DatasetError(f"{path}: not a CSV file: {error}") from None


def _encoding(path: Path) -> str:
    """Return a text file's encoding, by its byte-order mark. Excel writes UTF-16 as "Unicode text"."""
    with path.open("rb") as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _to_text(cell: Any) -> str:
    if cell is None:
        return ""
    return ",".join(map(str, cell)) if isinstance(cell, list) else str(cell)
