"""The reader of FER2013 as a CSV file: fer2013.csv, icml_face_data.csv, the competition's train.csv, ckextended.csv."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.data.class_names import WORDS
from core.data.csv_rows import column_names, read_csv_columns, read_csv_rows
from core.data.dataset import UNSPLIT, Dataset, Problem, make_dataset
from core.data.images import ImageError
from core.data.left_out import LeftOut, describe_rows
from core.data.readers.base import Reader, ReadOptions
from core.data.split_names import known_split
from core.errors import DatasetError, pluralize

if TYPE_CHECKING:
    from PIL import Image

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
COLUMNS = ("emotion", "pixels", "Usage")
# Of several files in a folder, the first of these is read.
FILES = ("fer2013.csv", "icml_face_data.csv", "train.csv")
# The votes of FER+. They are in the order of the rows of one of the first two of FILES.
VOTES_FILE = "fer2013new.csv"

_NUMBERS = {str(number): name for number, name in enumerate(EMOTIONS)}
# CK+ in the form of FER2013 has an eighth class.
_MORE_NUMBERS = {**_NUMBERS, "7": "contempt"}
_USAGE = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
_SIZE = 48
_MIN_SIZE = 8
_SUFFIXES = (".csv", ".tsv")
_MAX_USAGE = 50
# The headers of so many files of a folder are read.
_MAX_FILES = 50


@dataclass(frozen=True)
class CsvSource:
    """Images in the rows of a CSV file.

    Attributes:
        pixels: uint8, shape (images, size, size).
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

        return Image.frombytes("L", self.pixels.shape[:0:-1], content)


@dataclass(frozen=True)
class CsvImages:
    """The valid rows of a CSV file.

    Attributes:
        rows: path, label and split of every valid row.
        numbers: the number of every valid row among all rows, from 0.
        count: the number of all rows.
        source: reads the pixels.
        broken: names of the broken rows, each with the reason.
    """

    rows: list[tuple[str, str, str]]
    numbers: list[int]
    count: int
    source: CsvSource
    broken: list[tuple[str, str]]


@dataclass(frozen=True)
class _Columns:
    """The positions of the columns in a header of `count` columns."""

    count: int
    emotion: int
    pixels: int
    usage: int | None


@dataclass(frozen=True)
class _Folder:
    """The names of a folder's CSV files with pixels: with labels, the one to read first, and without labels."""

    labelled: list[str]
    unlabelled: list[str]


def read_fer2013_csv(root: Path, options: ReadOptions) -> Dataset:
    """Read a CSV file, or the preferred one of a folder. Skip broken rows and report them as a problem.

    Raises:
        DatasetError: the file is not such a CSV, or has no valid row.
    """
    beside = _list_csv_files(root) if root.is_dir() else _Folder([root.name], [])
    if not beside.labelled:
        raise DatasetError(f"{root}: {_explain_no_labels(beside.unlabelled)}")
    name, *others = beside.labelled
    path = root / name if root.is_dir() else root
    images = read_csv_images(path, options.decoding)
    left_out = [*others, *(f"{other} (no labels)" for other in beside.unlabelled)]
    problems = []
    if others:
        problems.append(_not_read(name, others, "give a file's path to read it"))
    if find_file(path.parent, VOTES_FILE):
        left_out.append(f"{VOTES_FILE} (the votes of FER+)")
        problems.append(_not_read(name, [VOTES_FILE], "--format ferplus reads its votes"))
    summary = describe_rows(images.rows)
    if images.broken:
        left_out.append(pluralize(len(images.broken), "broken row"))
        problems.append(broken_rows(images.broken))
    if left_out:
        summary += f"; left out: {', '.join(left_out)}"
    return make_dataset(path, images.rows, problems, images.source, summary=summary)


def read_csv_images(path: Path, decoding: int) -> CsvImages:
    """Read the rows of a CSV file.

    Args:
        path: the file.
        decoding: version of the image decoder; with 1, the rows that version 0.1.0 skipped are broken.

    Raises:
        DatasetError: the file is not such a CSV, or has no valid row.
    """
    lines = read_csv_rows(path)
    columns = _find_columns(path, next(lines, (0, []))[1])
    rows: list[tuple[str, str, str]] = []
    numbers: list[int] = []
    pixels: list[np.ndarray] = []
    broken: list[tuple[str, str]] = []
    count = 0
    for count, (line, cells) in enumerate(lines, start=1):
        name = f"{path.name}#{line:05d}"
        try:
            label, split, values = _read_row(columns, cells, decoding)
        except ValueError as error:
            broken.append((name, str(error)))
        else:
            rows.append((name, label, split))
            numbers.append(count - 1)
            pixels.append(values)
    side = _find_side(Counter(values.size for values in pixels))
    valid = [row for row, values in enumerate(pixels) if values.size == side * side]
    if len(valid) < len(rows):
        broken += [
            (rows[row][0], f"{values.size:,} pixels, not {side * side:,}")
            for row, values in enumerate(pixels)
            if values.size != side * side
        ]
        broken.sort(key=lambda row: int(row[0].rpartition("#")[2]))
        rows = [rows[row] for row in valid]
        numbers = [numbers[row] for row in valid]
        pixels = [pixels[row] for row in valid]
    if not rows:
        reason = f"; {broken[0][0]}: {broken[0][1]}" if broken else ""
        raise DatasetError(f"{path}: no valid row{reason}; expected {','.join(COLUMNS)}")
    source = CsvSource(np.stack(pixels).reshape(-1, side, side), {row[0]: i for i, row in enumerate(rows)})
    return CsvImages(rows, numbers, count, source, broken)


def broken_rows(broken: Sequence[tuple[str, str]]) -> Problem:
    """Return the problem of broken rows, from their names and reasons."""
    left_out = LeftOut()
    for name, reason in broken:
        left_out.add("broken_row", name, reason=reason)
    return left_out.problems()[0]


def find_file(folder: Path, name: str) -> Path | None:
    """Return the file of a folder with this name, in any case; None if there is none."""
    exact = folder / name
    if exact.is_file():
        return exact
    return next((folder / other for other in _list_files(folder) if other.casefold() == name), None)


def is_read_by_decoding_1(root: Path) -> bool:
    """Return whether version 0.1.0 read a file or folder as fer2013.csv."""
    return root.is_file() or (root / FILES[0]).is_file()


def _can_read(root: Path) -> bool:
    if not root.is_dir():
        return root.is_file()
    files = _list_csv_files(root)
    return bool(files.labelled) or bool(files.unlabelled and not any(entry.is_dir() for entry in root.iterdir()))


def _list_files(folder: Path) -> list[str]:
    """Return the names of a folder's CSV files."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name.lower().endswith(_SUFFIXES) and not entry.name.startswith(".") and Path(entry.path).is_file()
        )


def _list_csv_files(folder: Path) -> _Folder:
    def preference(name: str) -> tuple[int, bool]:
        lower = name.casefold()
        return FILES.index(lower) if lower in FILES else len(FILES), name != lower

    found = _Folder([], [])
    for name in sorted(_list_files(folder), key=preference)[:_MAX_FILES]:
        columns = read_csv_columns(folder / name)
        if name.casefold() == FILES[0] or {"emotion", "pixels"} <= set(columns):
            found.labelled.append(name)
        elif "pixels" in columns:
            found.unlabelled.append(name)
    return found


def _not_read(name: str, others: Sequence[str], remedy: str) -> Problem:
    were = "was" if len(others) == 1 else "were"
    return Problem(
        "foreign_file", f"{name} was read; {', '.join(others)} beside it {were} not: {remedy}", tuple(others)
    )


def _explain_no_labels(unlabelled: Sequence[str]) -> str:
    if unlabelled:
        return f"{unlabelled[0]} has no column emotion, so its images have no labels; add the file that has them"
    return f"no CSV file with the columns emotion and pixels; add {FILES[0]} or give another folder"


def _find_columns(path: Path, header: list[str]) -> _Columns:
    """Find the columns of a header.

    Raises:
        DatasetError: a column is missing, or is there twice.
    """
    names = column_names(header)
    if "usage" not in names:
        names = ["usage" if name == "split" else name for name in names]
    found = ", ".join(name.strip()[:20] for name in header[:10])
    expected = ",".join(COLUMNS) + (f" (found: {found})" if found and found.isprintable() else "")
    if missing := [name for name in COLUMNS[:2] if name not in names]:
        hint = ", so its images have no labels" if missing == ["emotion"] else ""
        raise DatasetError(f"{path}: no column {', '.join(missing)}{hint}; expected {expected}")
    positions = [names.index(name.casefold()) if name.casefold() in names else None for name in COLUMNS]
    for name in COLUMNS:
        if names.count(name.casefold()) > 1:
            raise DatasetError(f"{path}: two columns {name}; expected {expected}")
    emotion, pixels, usage = positions
    assert emotion is not None and pixels is not None
    return _Columns(len(names), emotion, pixels, usage)


def _read_row(columns: _Columns, cells: Sequence[str], decoding: int) -> tuple[str, str, np.ndarray]:
    """Return label, split and pixels of a row. Raise ValueError if the row is broken."""
    if len(cells) != columns.count:
        raise ValueError(f"{len(cells)} cells, not {columns.count}")
    split = UNSPLIT if columns.usage is None else read_usage(cells[columns.usage], decoding)
    return _read_emotion(cells[columns.emotion], decoding), split, _read_pixels(cells[columns.pixels], decoding)


def _read_emotion(text: str, decoding: int) -> str:
    """Return the class of a number such as `3` or `3.0`, or of a word such as `Happy`."""
    label = _NUMBERS.get(text)
    if label is None and decoding > 1:
        word = text.strip().casefold()
        label = _MORE_NUMBERS.get(re.sub(r"\.0*$", "", word)) or WORDS.get(word)
    if label is None:
        raise ValueError(f"emotion is {text[:20]!r}, not 0 to {6 if decoding == 1 else 7}")
    return label


def read_usage(text: str, decoding: int) -> str:
    """Return the split of a cell of the column Usage. Raise ValueError if it names none."""
    split = _USAGE.get(text)
    if split is None and decoding > 1 and len(text) <= _MAX_USAGE:
        split = known_split(text)
    if split is None:
        raise ValueError(f"Usage is {text[:20]!r}, not Training, PublicTest or PrivateTest")
    return split


def _read_pixels(text: str, decoding: int) -> np.ndarray:
    """Return the pixels, uint8, shape (pixels,)."""
    if decoding > 1 and ("," in text or "[" in text):
        text = text.strip().removeprefix("[").removesuffix("]").replace(",", " ")
    try:
        # Four times as fast as any alternative. NumPy before 2.3 stops at text that is not a number and does not raise.
        values = np.fromstring(text, dtype=np.int64, sep=" ")
    except ValueError:
        raise ValueError("pixels are not all whole numbers") from None
    if values.size and (values.min() < 0 or values.max() > 255):
        raise ValueError("pixels outside 0 to 255")
    return values.astype(np.uint8)


def _find_side(sizes: Counter[int]) -> int:
    """Return the width and height of the images, from each row's number of pixels: 48, or the most common square."""
    squares = [size for size, _ in sizes.most_common() if isqrt(size) ** 2 == size and size >= _MIN_SIZE**2]
    return _SIZE if not squares or _SIZE**2 in sizes else isqrt(squares[0])


READER = Reader(
    "fer2013",
    "fer2013.csv, icml_face_data.csv or another CSV with the columns emotion and pixels",
    _can_read,
    read_fer2013_csv,
)
