"""Read a table of text, row by row, from a CSV or Parquet file as people have it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from core.data.csv_rows import column_names, read_csv_rows
from core.data.parquet_files import is_parquet, open_parquet
from core.system.files import unescape

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
_BATCH_ROWS = 10_000


def read_header(path: Path) -> list[str]:
    """Return the names of the columns, in lower case and without blanks at the ends.

    Columns of a Parquet file that have no text, such as images, are named too.

    Raises:
        DatasetError: the file is neither text nor Parquet, or reading Parquet needs an extra.
        OSError: the file can't be read.
    """
    names = open_parquet(path).schema_arrow.names if is_parquet(path) else next(_csv_rows(path), (0, []))[1]
    return column_names(names)


def read_rows(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield each row's number and cells. The number is the line of a text file; rows of a Parquet file count from 1.

    A row may have another number of cells than the header.

    Raises:
        DatasetError: see `read_header`.
        OSError: the file can't be read.
    """
    if not is_parquet(path):
        for number, cells in islice(_csv_rows(path), 1, None):
            yield number, [unescape(cell) for cell in cells]
        return
    number = 0
    for batch in open_parquet(path).iter_batches(_BATCH_ROWS):
        for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            number += 1
            yield number, [_to_text(cell) for cell in cells]


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    # Names of files may be in another encoding than UTF-8.
    return read_csv_rows(path, errors="surrogateescape", skip_blanks=True)


def _to_text(cell: Any) -> str:
    if cell is None:
        return ""
    return ",".join(map(str, cell)) if isinstance(cell, list) else str(cell)
