"""List a folder and sort its entries by kind, from names alone. No image is opened."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from core.data.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES

ARCHIVE_SUFFIXES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst")
_ARCHIVE_CONTENTS = (
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"Rar!",
    b"7z\xbc\xaf\x27\x1c",
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
)
_TAR_MARK = slice(257, 262)
# Files of other formats that are archives inside.
_PACKED_SUFFIXES = (".xlsx", ".ods", ".npz", ".keras")
_SYSTEM_NAMES = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"}
_LIST_SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".xml", ".xls", ".xlsx")
_LIST_NAMES = ("label", "legend", "annotation")
_LABEL_COLUMNS = {"emotion", "expression", "label", "labels", "class", "category", "sentiment", "target"}
# A data set with one text file for each image has as many of them as images.
_MAX_LISTS = 3
# Enough to recognize a data set of any size.
_PEEK_ENTRIES = 1000
_PEEK_FOLDERS = 300
# The list that `core.data.cleaning` writes into a cleaned copy.
LEFT_OUT_LIST = "left_out.csv"


@dataclass
class Listing:
    """What is in a folder. All names are in alphabetical order.

    Attributes:
        folders: names of folders, and of links to folders.
        links: those of `folders` that are links.
        images: names of image files, by their endings.
        others: for other entries, kind of problem to names: `hidden_file`, `archive`, `unread_format`, `foreign_file`.
    """

    folders: list[str] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    images: list[str] = field(default_factory=list)
    others: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there are neither folders nor images."""
        return not self.folders and not self.images


class FolderTree:
    """A folder and the folders inside. Each is listed only once. Paths are relative to the root, "" is the root."""

    def __init__(self, root: Path) -> None:
        """Create a tree; nothing is listed yet."""
        self.root = root
        self._listings: dict[str, Listing] = {}

    def path(self, folder: str) -> str:
        """Return the path of a folder of the tree for the operating system."""
        return str(self.root / folder)

    def list(self, folder: str) -> Listing:
        """List a folder.

        Raises:
            OSError: the folder can't be listed.
        """
        if folder not in self._listings:
            self._listings[folder] = list_folder(self.path(folder))
        return self._listings[folder]

    def count_images(self, folder: str) -> int:
        """Count the images in a folder and deeper. Links to folders inside are not followed."""
        count, pending = 0, [folder]
        while pending:
            inner = pending.pop()
            listing = self.list(inner)
            count += len(listing.images)
            pending += [join(inner, name) for name in listing.folders if name not in listing.links]
        return count


@dataclass(frozen=True)
class Peek:
    """The first entries of a folder.

    Attributes:
        path: the folder.
        folders: names of folders, in alphabetical order.
        files: names of files, in alphabetical order.
    """

    path: Path
    folders: list[str]
    files: list[str]


def peek_folders(root: Path, depth: int = 3) -> Iterator[Peek]:
    """Look into a folder and the folders inside, the outer ones first, to recognize a data set by its names.

    It looks at the first entries of the first folders only, so that it is fast for a data set of any size. Folders that
    can't be listed are skipped.

    Args:
        root: a folder; there is nothing to see in anything else.
        depth: the number of levels below the root.
    """
    pending = deque([(root, depth)])
    for _ in range(_PEEK_FOLDERS):
        if not pending:
            return
        path, levels = pending.popleft()
        folders: list[str] = []
        names: list[str] = []
        try:
            with os.scandir(path) as entries:
                for entry in islice(entries, _PEEK_ENTRIES):
                    if not entry.name.startswith("."):
                        (folders if entry.is_dir() else names).append(entry.name)
        except OSError:
            continue
        folders.sort()
        names.sort()
        yield Peek(path, folders, names)
        if levels:
            pending += [(path / name, levels - 1) for name in folders]


def first_folders(root: Path) -> list[str]:
    """Return the names of the first folders in a folder, see `peek_folders`; none if it can't be listed."""
    return next((peek.folders for peek in peek_folders(root, depth=0)), [])


def join(folder: str, name: str) -> str:
    """Return the path of an entry of a folder, relative to the tree's root."""
    return f"{folder}/{name}" if folder else name


def list_folder(path: str) -> Listing:
    """List a folder.

    Raises:
        OSError: the folder can't be listed.
    """
    listing = Listing()
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name == LEFT_OUT_LIST:
                continue
            kind = _entry_kind(entry)
            if kind == "folder":
                listing.folders.append(entry.name)
                if entry.is_symlink():
                    listing.links.add(entry.name)
            elif kind == "image":
                listing.images.append(entry.name)
            else:
                listing.others.setdefault(kind, []).append(entry.name)
    for names in (listing.folders, listing.images, *listing.others.values()):
        names.sort()
    return listing


def _entry_kind(entry: os.DirEntry[str]) -> str:
    """Return `folder`, `image` or a kind of problem."""
    name = entry.name.lower()
    if name.startswith(".") or name in _SYSTEM_NAMES:
        return "hidden_file"
    try:
        if entry.is_dir():
            return "folder"
        if not entry.is_file():
            return "foreign_file"
    except OSError:
        # A link that points to itself.
        return "foreign_file"
    if name.endswith(IMAGE_SUFFIXES):
        return "image"
    if name.endswith(UNREAD_SUFFIXES):
        return "unread_format"
    return "archive" if name.endswith(ARCHIVE_SUFFIXES) else "foreign_file"


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive, by its first bytes; its name may say something else."""
    if path.name.lower().endswith(_PACKED_SUFFIXES):
        return False
    with path.open("rb") as file:
        start = file.read(_TAR_MARK.stop)
    return start.startswith(_ARCHIVE_CONTENTS) or start[_TAR_MARK] == b"ustar"


def find_label_lists(folder: str, listing: Listing) -> Iterator[str]:
    """Yield the names of files in a folder that list the labels of images. Reads the beginning of a few text files."""
    names = [name for name in listing.others.get("foreign_file", ()) if name.lower().endswith(_LIST_SUFFIXES)]
    for name in names[:_MAX_LISTS]:
        if _is_label_list(Path(folder) / name):
            yield name


def _is_label_list(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            text = file.read(4096)
    except OSError:
        return False
    lines = [line.replace('"', "").replace(";", ",").casefold() for line in text.splitlines() if line.strip()]
    header = {cell.strip() for cell in (lines[0].replace("\t", ",") if lines else "").split(",")}
    if "pixels" in header:
        # The file has the images too.
        return False
    stem = path.stem.casefold()
    if text and (header & _LABEL_COLUMNS or any(word in stem for word in _LIST_NAMES)):
        return True
    naming = [
        line for line in lines if any(f"{suffix}{end}" in f"{line} " for suffix in IMAGE_SUFFIXES for end in ", \t")
    ]
    return len(lines) > 1 and 2 * len(naming) > len(lines)
