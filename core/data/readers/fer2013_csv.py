"""The reader of the original fer2013.csv: columns emotion, pixels, Usage."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.data.dataset import Dataset, Problem, make_dataset
from core.data.images import ImageError
from core.data.readers.base import Reader, ReadOptions
from core.errors import DatasetError

if TYPE_CHECKING:
    from PIL import Image

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
COLUMNS = ("emotion", "pixels", "Usage")
_USAGE = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
_SIZE = 48


@dataclass(frozen=True)
class CsvSource:
    """Images in the rows of a CSV file.

    Attributes:
        pixels: uint8, shape (images, 48, 48).
        rows: for each path, such as `fer2013.csv#00017`, its row in `pixels`.
    """

    pixels: np.ndarray
    rows: dict[str, int]

    def content(self, path: str) -> bytes:
        """Return the row's pixels."""
        if path not in self.rows:
            raise ImageError("no such row")
        return self.pixels[self.rows[path]].tobytes()

    def decode(self, content: bytes) -> Image.Image:
        """Return a row's pixels as a grey image."""
        from PIL import Image

        return Image.frombytes("L", (_SIZE, _SIZE), content)


def _csv_in(root: Path) -> Path:
    return root / "fer2013.csv" if root.is_dir() else root


def read_fer2013_csv(root: Path, options: ReadOptions) -> Dataset:
    """Read fer2013.csv. Skip broken rows and report them as a problem.

    Raises:
        DatasetError: the file is not such a CSV, or has no valid row.
    """
    path = _csv_in(root)
    rows: list[tuple[str, str, str]] = []
    pixels: list[np.ndarray] = []
    broken: list[tuple[str, str]] = []
    for line, header, cells in _lines(path):
        name = f"{path.name}#{line:05d}"
        try:
            label, split, values = _row(header, cells)
        except ValueError as error:
            broken.append((name, str(error)))
        else:
            rows.append((name, label, split))
            pixels.append(values)
    if not rows:
        reason = f"; {broken[0][0]}: {broken[0][1]}" if broken else ""
        raise DatasetError(f"{path}: no valid row{reason}; expected emotion,pixels,Usage")
    problems = []
    if broken:
        more = f" and {len(broken) - 1:,} more" if len(broken) > 1 else ""
        problems.append(
            Problem(
                "broken_row",
                f"skipped broken rows: {broken[0][0]}: {broken[0][1]}{more}",
                tuple(n for n, _ in broken),
            )
        )
    source = CsvSource(np.stack(pixels), {row[0]: i for i, row in enumerate(rows)})
    return make_dataset(path, rows, problems, source)


def _lines(path: Path) -> Iterator[tuple[int, Sequence[str], Sequence[str]]]:
    """Yield each row's line number, the header, and the row's cells.

    This does not use pandas, which reads an index from rows longer than the header and pads shorter rows.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            missing = [column for column in COLUMNS if column not in header]
            if missing:
                raise DatasetError(f"{path}: no column {', '.join(missing)}; expected {','.join(COLUMNS)}")
            for cells in reader:
                if cells:
                    yield reader.line_num, header, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: not a CSV file: {error}") from None


def _row(header: Sequence[str], cells: Sequence[str]) -> tuple[str, str, np.ndarray]:
    """Return label, split and pixels of a row. Raise ValueError if the row is broken."""
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} cells, not {len(header)}")
    row = dict(zip(header, cells, strict=True))
    return _emotion(row["emotion"]), _split(row["Usage"]), _pixels(row["pixels"])


def _emotion(text: str) -> str:
    if text not in ("0", "1", "2", "3", "4", "5", "6"):
        raise ValueError(f"emotion is {text[:20]!r}, not 0 to 6")
    return EMOTIONS[int(text)]


def _split(text: str) -> str:
    if text not in _USAGE:
        raise ValueError(f"Usage is {text[:20]!r}, not Training, PublicTest or PrivateTest")
    return _USAGE[text]


def _pixels(text: str) -> np.ndarray:
    try:
        # Four times as fast as any alternative. NumPy before 2.3 stops at text that is not a number and does not raise.
        values = np.fromstring(text, dtype=np.int64, sep=" ")
    except ValueError:
        raise ValueError("pixels are not all whole numbers") from None
    if values.size != _SIZE * _SIZE:
        raise ValueError(f"{values.size:,} pixels, not {_SIZE * _SIZE:,}")
    if values.min() < 0 or values.max() > 255:
        raise ValueError("pixels outside 0 to 255")
    return values.astype(np.uint8).reshape(_SIZE, _SIZE)


READER = Reader("fer2013", "fer2013.csv", lambda root: _csv_in(root).is_file(), read_fer2013_csv)
