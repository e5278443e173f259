"""The format of a manifest: a table with a row for each image. It can describe any data set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path

from core.data.dataset import UNSPLIT, Dataset, ImageFile
from core.data.images import Box
from core.data.parquet_files import check_pyarrow, is_parquet
from core.data.split_names import known_split
from core.errors import DatasetError, pluralize
from core.system import files

# The names of each column, the first of which is written. Case and blanks at the ends don't count.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": (
        "path",
        "file_name",
        "filename",
        "file",
        "image",
        "image_path",
        "img",
        "img_path",
        "filepath",
        "file_path",
    ),
    "label": ("label", "labels", "emotion", "expression", "class", "category", "target"),
    "split": ("split", "usage", "subset"),
    "box": ("box", "bbox"),
    "group": ("group", "person", "subject"),
    "votes": ("votes",),
}
# A box in four columns.
EDGES = ("left", "top", "right", "bottom")
_MAX_EDGE = 2**31 - 1


@dataclass(frozen=True)
class ManifestRow:
    """A row of a manifest.

    Attributes:
        path: the file's path as it is written.
        label: the class.
        split: train, validation or test; UNSPLIT if the cell is empty.
        box: the part of the image; None for all of it.
        group: the person or sequence; empty if the cell is.
        votes: the votes for each class; empty if the cell is.
    """

    path: str
    label: str
    split: str = UNSPLIT
    box: Box | None = None
    group: str = ""
    votes: Mapping[str, float] = field(default_factory=dict)


def find_manifest_columns(header: Sequence[str]) -> dict[str, int] | None:
    """Return the place of each column of COLUMNS and EDGES in a header; None if it is not a manifest's.

    Args:
        header: the names of the columns, in lower case.
    """
    found = {
        column: header.index(name)
        for column, names in COLUMNS.items()
        if (name := next((name for name in names if name in header), None))
    }
    found |= {edge: header.index(edge) for edge in EDGES if set(EDGES) <= set(header)}
    # A file with pixels is one of FER2013's.
    return found if {"path", "label"} <= found.keys() and "pixels" not in header else None


def parse_row(cells: Sequence[str], columns: Mapping[str, int], width: int) -> ManifestRow:
    """Parse a row.

    Args:
        cells: the cells of the row.
        columns: see `find_manifest_columns`.
        width: the number of columns of the header.

    Raises:
        ValueError: the row is broken.
    """
    # Spreadsheets end lines with empty cells.
    if len(cells) < width or any(map(str.strip, cells[width:])):
        raise ValueError(f"{pluralize(len(cells), 'cell')}, not {width}")
    cell = {name: cells[place] for name, place in columns.items()}
    label = cell["label"].strip()
    # pandas writes whole numbers as 3.0 if a column has empty cells.
    if label.endswith(".0") and label[:-2].isdecimal():
        label = label[:-2]
    if not cell["path"].strip() or not label:
        raise ValueError("the path is empty" if label else "the label is empty")
    box = cell.get("box") or ",".join(cell.get(edge, "") for edge in EDGES).strip(",")
    return ManifestRow(
        cell["path"],
        label,
        _parse_split(cell.get("split", "").strip()),
        _parse_box(box) if box.strip() else None,
        cell.get("group", "").strip(),
        _parse_votes(votes) if (votes := cell.get("votes", "").strip()) else {},
    )


@cache
def _parse_split(text: str) -> str:
    if text in ("", UNSPLIT):
        return UNSPLIT
    split = known_split(text)
    if split is None:
        raise ValueError(f"the split is '{text[:20]}', not train, validation or test")
    return split


def _parse_box(text: str) -> Box:
    try:
        left, top, right, bottom = (round(float(number)) for number in re.split(r"[,;\s]+", text.strip(" ()[]")))
    except (ValueError, OverflowError):
        raise ValueError(f"the box is '{text[:40]}', not left,top,right,bottom") from None
    if max(map(abs, (left, top, right, bottom))) > _MAX_EDGE:
        raise ValueError(f"the box is '{text[:40]}', which no image has")
    if left >= right or top >= bottom:
        raise ValueError(f"the box {left},{top},{right},{bottom} is empty; the order is left,top,right,bottom")
    return left, top, right, bottom


def _parse_votes(text: str) -> dict[str, float]:
    try:
        votes = {str(name).strip(): float(number) for name, number in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        votes = {}
    if not votes or min(votes.values()) < 0 or not 0 < sum(votes.values()) < float("inf"):
        raise ValueError(f'the votes are \'{text[:40]}\', not as {{"happy": 7, "sad": 3}}')
    return votes


def manifest_rows(dataset: Dataset, places: Iterable[ImageFile], folder: Path) -> list[ManifestRow]:
    """Return the rows of a manifest for a data set.

    Args:
        dataset: the data set.
        places: where the image of each row of its frame is.
        folder: the manifest's folder. The paths of files inside are relative to it, others are absolute.
    """
    frame = dataset.frame
    count = len(frame)
    groups = frame["group"].tolist() if "group" in frame else [""] * count
    votes = frame["votes"].tolist() if "votes" in frame else [()] * count
    top = Path(folder.absolute())
    rows = []
    columns = zip(places, frame["label"], frame["split"], groups, votes, strict=True)
    for place, label, split, group, shares in columns:
        path = Path(place.path.absolute())
        text = path.relative_to(top).as_posix() if path.is_relative_to(top) else str(path)
        # Readers of CSV files drop blanks at the beginning of a cell.
        text = f"./{text}" if text[0].isspace() else text
        cast = {name: share for name, share in zip(dataset.classes, shares, strict=False) if share}
        rows.append(ManifestRow(text, label, split, place.box, group, cast))
    return rows


def write_manifest(path: Path, rows: Sequence[ManifestRow]) -> None:
    """Write a manifest as Parquet or CSV, by the name's ending. Columns without a value are left out.

    Raises:
        DatasetError: the file can't be written.
    """
    columns = {
        "path": [row.path for row in rows],
        "label": [row.label for row in rows],
        "split": ["" if row.split == UNSPLIT else row.split for row in rows],
        "box": [",".join(map(str, row.box)) if row.box else "" for row in rows],
        "group": [row.group for row in rows],
        "votes": [json.dumps(dict(row.votes), ensure_ascii=False) if row.votes else "" for row in rows],
    }
    columns = {name: cells for name, cells in columns.items() if name in ("path", "label") or any(cells)}
    if is_parquet(path):
        content = _to_parquet(path, columns)
    else:
        content = files.to_csv([tuple(columns), *zip(*columns.values(), strict=True)])
    try:
        files.write_bytes(path, content)
    except OSError as error:
        raise DatasetError(f"{path}: can't be written ({error.strerror or error}); name another file") from None


def _to_parquet(path: Path, columns: Mapping[str, Sequence[str]]) -> bytes:
    check_pyarrow(path)
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    buffer = arrow.BufferOutputStream()
    try:
        parquet.write_table(arrow.table({name: list(cells) for name, cells in columns.items()}), buffer)
    except UnicodeEncodeError:
        raise DatasetError(f"{path}: Parquet has no names that are not UTF-8; name a file that ends in .csv") from None
    return buffer.getvalue().to_pybytes()
