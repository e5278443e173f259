"""The reader of a Hugging Face data set as Parquet: the bytes of each image in a column, and its label.

Images are read in pieces when they are needed, so that memory does not grow with the data set.
"""

from __future__ import annotations

import json
import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data import images
from core.data.class_folders import merge_spellings
from core.data.dataset import UNSPLIT, Dataset, make_dataset
from core.data.folder_listing import peek_folders
from core.data.images import IMAGE_SUFFIXES, ImageError
from core.data.left_out import LeftOut, summarize
from core.data.parquet_files import PARQUET, is_parquet, open_parquet
from core.data.readers.base import Reader, ReadOptions
from core.data.split_names import known_split
from core.errors import DatasetError, first_line, pluralize
from core.system.files import MIB

if TYPE_CHECKING:
    from PIL import Image

_IMAGE_COLUMNS = ("image", "img", "picture", "photo", "face", "bytes")
_LABEL_COLUMNS = ("label", "labels", "emotion", "expression", "class", "category", "fine_label", "target")
_PIECE_ROWS = 64
# The limit for the pieces that stay in memory.
_MEMORY = 256 * MIB


@dataclass(frozen=True)
class Columns:
    """The columns of a file.

    Attributes:
        image: the column of the images' bytes, such as `image.bytes`.
        label: the column of the labels.
        names: the class of each number; empty if the labels are words, or if the file does not name them.
        split: the column of the splits; None if there is none.
    """

    image: str
    label: str
    names: tuple[str, ...]
    split: str | None


def find_columns(schema: Any) -> Columns | None:
    """Return the columns of an Arrow schema; None if it has no images, or no labels."""
    features = _features(schema)
    image = _find(schema.names, features, "Image", _IMAGE_COLUMNS)
    label = _find(schema.names, features, "ClassLabel", _LABEL_COLUMNS)
    if image is None or label is None:
        return None
    kind = str(schema.field(image).type)
    if kind.startswith("struct"):
        if "bytes: binary" not in kind and "bytes: large_binary" not in kind:
            return None
        image = f"{image}.bytes"
    elif kind not in ("binary", "large_binary"):
        return None
    names = features.get(label, {}).get("names") or ()
    return Columns(image, label, tuple(map(str, names)), _find(schema.names, {}, "", ("split",)))


def _features(schema: Any) -> Mapping[str, Any]:
    """Return what the library `datasets` stores about each column."""
    try:
        stored = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        return dict(stored["info"]["features"])
    except (ValueError, KeyError, TypeError):
        return {}


def _find(names: list[str], features: Mapping[str, Any], kind: str, usual: tuple[str, ...]) -> str | None:
    """Return the column that has a kind of feature, otherwise the first with a usual name."""
    typed = [name for name in names if (features.get(name) or {}).get("_type") == kind]
    named = sorted(
        (name for name in names if name.strip().casefold() in usual), key=lambda n: usual.index(n.casefold())
    )
    return next(iter((*typed, *named)), None)


@dataclass
class _Stream:
    """The rows of one file from some row on, piece by piece.

    Attributes:
        position: the row that the next piece begins with.
        pieces: the pieces, Arrow arrays of bytes.
    """

    position: int
    pieces: Iterator[Any]


class ParquetSource:
    """Images in the rows of Parquet files.

    A stream for each file reads the rows in pieces, and the newest pieces stay in memory up to a limit. Reading the
    images in the order of their rows reads each piece once. Any other order decompresses a row group up to the row,
    unless the piece is still in memory.
    """

    def __init__(self, root: Path, columns: Mapping[str, Columns], decoding: int = images.DECODING) -> None:
        """Create a source.

        Args:
            root: the folder that paths are relative to.
            columns: the columns of each file, by its path.
            decoding: version of the image decoder.
        """
        self._root = root
        self._columns = columns
        self._decoding = decoding
        self._streams: dict[str, _Stream] = {}
        self._starts: dict[str, list[int]] = {}
        self._pieces: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def content(self, path: str) -> bytes:
        """Return the bytes of the image in a row. The path is the file's path, `#` and the row's number from 0."""
        file, _, number = path.rpartition("#")
        row = int(number)
        try:
            with self._lock:
                start, piece = self._find_piece(file, row) or self._read_piece(file, row)
        except (OSError, ValueError, DatasetError) as error:
            raise ImageError(f"damaged ({first_line(error)})") from None
        content = piece[row - start].as_py()
        if content is None:
            raise ImageError("the row has no image bytes")
        return content

    def decode(self, content: bytes) -> Image.Image:
        """Decode a row's bytes."""
        return images.decode_image(content, self._decoding)

    def _find_piece(self, file: str, row: int) -> tuple[int, Any] | None:
        """Return the piece in memory that has a row, with its first row."""
        for (name, start), piece in self._pieces.items():
            if name == file and start <= row < start + len(piece):
                self._pieces.move_to_end((name, start))
                return start, piece
        return None

    def _read_piece(self, file: str, row: int) -> tuple[int, Any]:
        """Read up to the piece that has a row. Return it, with its first row.

        Raises:
            DatasetError: the file is no longer a Parquet file.
            OSError: the file can't be read.
            ValueError: the file is damaged, or has become shorter.
        """
        if file not in self._streams:
            self._open_stream(file, 0)
        group = bisect_right(self._starts[file], row) - 1
        if not self._starts[file][group] <= self._streams[file].position <= row:
            self._open_stream(file, group)
        stream = self._streams[file]
        for piece in stream.pieces:
            start = stream.position
            stream.position += len(piece)
            self._keep(file, start, piece)
            if row < stream.position:
                return start, piece
        raise ValueError("the file has become shorter")

    def _open_stream(self, file: str, group: int) -> None:
        """Begin a stream at a row group."""
        parquet = open_parquet(self._root / file)
        sizes = [parquet.metadata.row_group(number).num_rows for number in range(parquet.num_row_groups)]
        self._starts[file] = [0, *accumulate(sizes[:-1])]
        batches = parquet.iter_batches(
            _PIECE_ROWS, range(group, len(sizes)), [self._columns[file].image], use_threads=False
        )
        self._streams[file] = _Stream(self._starts[file][group], (_bytes_of(batch.column(0)) for batch in batches))

    def _keep(self, file: str, start: int, piece: Any) -> None:
        """Keep a piece in memory. Forget the pieces that were not used for the longest time."""
        if (file, start) not in self._pieces:
            self._pieces[file, start] = piece
            self._size += piece.nbytes
        while self._size > _MEMORY and len(self._pieces) > 1:
            _, forgotten = self._pieces.popitem(last=False)
            self._size -= forgotten.nbytes


def _bytes_of(column: Any) -> Any:
    """Return the bytes of a column of images, which are in a field of a struct, or the column itself."""
    return column.field("bytes") if str(column.type).startswith("struct") else column


def _find_files(root: Path) -> list[Path]:
    """Return the Parquet files of a data set in alphabetical order: the file itself, or those in a folder."""
    if root.is_file():
        return [root] if is_parquet(root) else []
    folders = [peek.path for peek in peek_folders(root, depth=2) if any(map(_is_parquet_name, peek.files))]
    return sorted(path for folder in folders for path in folder.iterdir() if is_parquet(path) and path.is_file())


def _is_parquet_name(name: str) -> bool:
    return is_parquet(Path(name))


def can_read_parquet(root: Path) -> bool:
    """Return whether the first Parquet file has images and labels.

    A file that can't be opened counts if there are no image files beside it: the reader says what to do.
    """
    files = _find_files(root)
    if not files or root.is_file():
        return bool(files)
    try:
        return find_columns(open_parquet(files[0]).schema_arrow) is not None
    except DatasetError:
        return not any(name.lower().endswith(IMAGE_SUFFIXES) for peek in peek_folders(root) for name in peek.files)


def read_parquet(root: Path, options: ReadOptions) -> Dataset:
    """Read the labels of all rows. Images are read later.

    Raises:
        DatasetError: pyarrow is not installed, or no row has an image and a label.
        OSError: a file can't be read.
    """
    base = root.parent if root.is_file() else root
    left_out = LeftOut()
    rows: list[tuple[str, str, str]] = []
    columns: dict[str, Columns] = {}
    for path in _find_files(root):
        parquet = open_parquet(path)
        name = path.relative_to(base).as_posix()
        found = find_columns(parquet.schema_arrow)
        if found is None:
            left_out.add("foreign_file", name)
        else:
            columns[name] = found
            rows += _read_labels(parquet, name, found, left_out)
    if not rows:
        reason = next((f"; {problem.message}" for problem in left_out.problems()), "")
        raise DatasetError(
            f"{root}: no Parquet file with a column of image bytes and a column of labels (image, label){reason}"
        )
    rows, problems = merge_spellings(rows)
    summary = f"{pluralize(len(columns), 'Parquet file')}: {summarize(rows, left_out)}"
    source = ParquetSource(base, columns, options.decoding)
    return make_dataset(root, rows, [*problems, *left_out.problems()], source, summary=summary)


def _read_labels(parquet: Any, name: str, columns: Columns, left_out: LeftOut) -> Iterator[tuple[str, str, str]]:
    """Yield path, label and split of each row of a file."""
    default = _split_of(name)
    row = 0
    for batch in parquet.iter_batches(columns=[columns.label, *filter(None, [columns.split])]):
        splits = batch.column(columns.split).to_pylist() if columns.split else [None] * len(batch)
        for label, split in zip(batch.column(columns.label).to_pylist(), splits, strict=True):
            path = f"{name}#{row:06d}"
            row += 1
            try:
                yield path, _class_name(label, columns.names), _row_split(split, default)
            except ValueError as error:
                left_out.add("broken_row", path, reason=str(error))


def _class_name(label: Any, names: tuple[str, ...]) -> str:
    """Return the class of a label. Raise ValueError if there is none."""
    text = "" if label is None else str(label).strip()
    if not text:
        raise ValueError("the label is empty")
    if not names or not isinstance(label, int):
        return text
    if not 0 <= label < len(names):
        raise ValueError(f"the label is {label}, not 0 to {len(names) - 1}")
    return names[label]


def _row_split(text: Any, default: str) -> str:
    """Return the split of a row. Raise ValueError if it is unknown."""
    if text is None or not str(text).strip():
        return default
    split = known_split(str(text))
    if split is None:
        raise ValueError(f"the split is '{str(text)[:20]}', not train, validation or test")
    return split


def _split_of(name: str) -> str:
    """Return the split that a file's name says, as in `data/train-00000-of-00002.parquet`, or its folder's."""
    for part in reversed(name.split("/")):
        for word in re.split(r"[\W\d_]+", part.removesuffix(PARQUET)):
            if word and (split := known_split(word)):
                return split
    return UNSPLIT


READER = Reader(
    "parquet", "Parquet files with image bytes and labels, as Hugging Face has them", can_read_parquet, read_parquet
)
