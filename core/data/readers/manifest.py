"""The reader of a manifest: a CSV or Parquet file with the path, the label and perhaps more of each image."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data import images
from core.data.class_folders import merge_spellings
from core.data.dataset import Dataset, ImageFile, make_dataset
from core.data.folder_listing import first_folders
from core.data.images import Box, ImageError
from core.data.left_out import LeftOut, summarize
from core.data.manifest_file import ManifestRow, find_manifest_columns, parse_row
from core.data.parquet_files import is_parquet, open_parquet
from core.data.readers.base import Reader, ReadOptions
from core.data.readers.parquet import find_columns
from core.data.split_names import known_split
from core.data.tables import TEXT_SUFFIXES, read_header, read_rows
from core.errors import DatasetError
from core.system import files
from core.system.extras import is_installed

if TYPE_CHECKING:
    from PIL import Image

# The names of a manifest in a folder. The last one is Hugging Face's, also in the folder of each split.
_NAMES = ("manifest.csv", "manifest.tsv", "manifest.parquet", "metadata.csv")
# The bytes before a content that has a box. No image format begins with them.
_BOX_MARK = b"\x00box"
_EDGE_BYTES = 8


@dataclass(frozen=True)
class ManifestSource:
    """Images in files, or in parts of files.

    Attributes:
        folder: the folder that paths are relative to.
        boxes: the file and the box of each path with a box, such as `group.jpg#10,20,58,68`.
        decoding: version of the image decoder.
    """

    folder: Path
    boxes: Mapping[str, tuple[str, Box]]
    decoding: int = images.DECODING

    def locate(self, path: str) -> ImageFile:
        """See FileSource."""
        file, box = self.boxes.get(path, (path, None))
        return ImageFile(self.folder / file, box)

    def content(self, path: str) -> bytes:
        """Return the file's bytes, after the box if there is one: the same file with another box is another image."""
        place = self.locate(path)
        try:
            content = files.read_bytes(place.path)
        except OSError as error:
            raise ImageError(error.strerror or str(error)) from None
        if place.box is None:
            return content
        return _BOX_MARK + b"".join(edge.to_bytes(_EDGE_BYTES, "big", signed=True) for edge in place.box) + content

    def decode(self, content: bytes) -> Image.Image:
        """Decode a content of this source."""
        if not content.startswith(_BOX_MARK):
            return images.decode_image(content, self.decoding)
        start = len(_BOX_MARK)
        edges = [
            int.from_bytes(content[start + i * _EDGE_BYTES : start + (i + 1) * _EDGE_BYTES], "big", signed=True)
            for i in range(4)
        ]
        box = (edges[0], edges[1], edges[2], edges[3])
        return images.decode_image(content[start + 4 * _EDGE_BYTES :], self.decoding, box)


def is_manifest(path: Path) -> bool:
    """Return whether a file has the columns of a manifest, and no images itself."""
    if not path.is_file() or not (is_parquet(path) or path.name.lower().endswith(TEXT_SUFFIXES)):
        return False
    if is_parquet(path) and not is_installed("parquet"):
        return path.name in _NAMES
    if is_parquet(path) and find_columns(open_parquet(path).schema_arrow):
        return False
    return find_manifest_columns(read_header(path)) is not None


def _find_manifests(root: Path) -> dict[Path, str | None]:
    """Return the manifests of a data set. The value is the split that the folder's name gives, None if it gives none.

    `root` may be a manifest, a folder with one, or a folder whose splits have one each.
    """
    if not root.is_dir():
        return {root: None} if is_manifest(root) else {}
    for name in _NAMES:
        if is_manifest(root / name):
            return {root / name: None}
    folders = first_folders(root)
    splits = {folder: split for folder in folders if (split := known_split(folder))}
    return {path: split for folder, split in splits.items() if is_manifest(path := root / folder / _NAMES[-1])}


def can_read_manifest(root: Path) -> bool:
    """Return whether a path is a manifest, or a folder with manifests."""
    try:
        return bool(_find_manifests(root))
    except DatasetError:
        return False


def read_manifest(root: Path, options: ReadOptions) -> Dataset:
    """Read the rows of a manifest. Rows that are broken, or whose files are missing, are left out.

    Raises:
        DatasetError: the file is not a manifest, or no row is left.
        OSError: a file can't be read.
    """
    manifests = _find_manifests(root)
    if not manifests:
        raise DatasetError(
            f"{root}: no manifest; give a CSV or Parquet file with the columns path and label, or a folder with a "
            f"{_NAMES[0]}"
        )
    is_one = None in manifests.values()
    reading = _Reading(next(iter(manifests)).parent if is_one else root)
    for path, split in manifests.items():
        reading.read(path, split)
    left_out = reading.left_out
    if not reading.rows:
        reason = next((problem.message for problem in left_out.problems()), "it has no rows")
        raise DatasetError(f"{root}: no image of the manifest can be read: {reason}")
    rows, problems = merge_spellings(reading.rows)
    return make_dataset(
        next(iter(manifests)) if is_one else root,
        rows,
        [*problems, *left_out.problems()],
        ManifestSource(reading.folder, reading.boxes, options.decoding),
        summary=summarize(rows, left_out),
        columns=reading.columns(rows, has_votes=options.votes == "soft"),
    )


@dataclass
class _Reading:
    """One reading of manifests.

    Attributes:
        folder: the folder that the paths of the frame are relative to.
        rows: path, label and split of every image.
        entries: the manifest's row of every image.
        boxes: see ManifestSource.
        left_out: what is left out.
    """

    folder: Path
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    entries: list[ManifestRow] = field(default_factory=list)
    boxes: dict[str, tuple[str, Box]] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=LeftOut)
    _seen: set[str] = field(default_factory=set)
    _files: dict[str, set[str]] = field(default_factory=dict)

    def read(self, path: Path, split: str | None) -> None:
        """Read a manifest whose rows are in a split; None for the splits in the rows."""
        header = read_header(path)
        columns = find_manifest_columns(header) or {}
        name = path.relative_to(self.folder).as_posix()
        home = place = posixpath.dirname(name)
        searched = False
        for line, cells in read_rows(path):
            try:
                row = parse_row(cells, columns, len(header))
                file = self._find_file(row.path, place)
                if file is None and not searched:
                    # The images may all be in a folder beside the list, such as images/.
                    place = self._find_folder(row.path, home)
                    file = self._find_file(row.path, place)
                searched = True
                if file is None:
                    self.left_out.add("missing_file", row.path)
                    continue
                image = file if row.box is None else f"{file}#{','.join(map(str, row.box))}"
                if image in self._seen:
                    raise ValueError(f"{image} is listed twice")
            except ValueError as error:
                self.left_out.add("broken_row", f"{name}#{line:05d}", reason=str(error))
                continue
            self._seen.add(image)
            self.rows.append((image, row.label, split or row.split))
            self.entries.append(row)
            if row.box is not None:
                self.boxes[image] = file, row.box

    def _find_file(self, text: str, place: str) -> str | None:
        """Return the path, relative to `folder` or absolute, of a file in the folder `place`; None if there is none."""
        trimmed = text.strip()
        for written in dict.fromkeys((text, trimmed, trimmed.replace("\\", "/"))):
            path = posixpath.normpath(posixpath.join(place, written))
            folder, name = posixpath.split(path)
            if folder not in self._files:
                self._files[folder] = _list_files(self.folder / folder)
            if name in self._files[folder]:
                return path
        return None

    def _find_folder(self, text: str, home: str) -> str:
        """Return the folder inside `home` that has a file; `home` itself if none has it."""
        inner = first_folders(self.folder / home)
        places = (posixpath.join(home, name) for name in inner)
        return next((place for place in places if self._find_file(text, place)), home)

    def columns(self, rows: Sequence[tuple[str, str, str]], *, has_votes: bool) -> dict[str, list[Any]]:
        """Return the further columns of the frame for its rows, whose classes may have been merged."""
        columns: dict[str, list[Any]] = {}
        if any(entry.group for entry in self.entries):
            columns["group"] = [entry.group for entry in self.entries]
        if has_votes and any(entry.votes for entry in self.entries):
            classes = sorted({label for _, label, _ in rows})
            labelled = zip(self.entries, rows, strict=True)
            columns["votes"] = [_shares(entry, label, classes) for entry, (_, label, _) in labelled]
        return columns


def _list_files(folder: Path) -> set[str]:
    """Return the names of the files in a folder; no names if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return set()
        raise


def _shares(entry: ManifestRow, label: str, classes: Sequence[str]) -> tuple[float, ...]:
    """Return the share of the votes of each class. An image without votes for a class has its label's alone."""
    votes = [entry.votes.get(name, 0.0) for name in classes]
    if not any(votes):
        votes = [float(name == label) for name in classes]
    return tuple(vote / sum(votes) for vote in votes)


READER = Reader(
    "manifest",
    "a CSV or Parquet file with the columns path and label, such as manifest.csv",
    can_read_manifest,
    read_manifest,
)
