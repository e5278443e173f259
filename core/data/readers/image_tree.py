"""The reader of a tree of image files: ROOT/<split>/<class>/* or ROOT/<class>/*, with folders on the way or inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.data import images
from core.data.class_folders import (
    Rows,
    check_class_folders,
    find_wrong_level,
    has_generic_name,
    is_expression,
    lone_folder,
    merge_spellings,
)
from core.data.dataset import UNSPLIT, Dataset, ImageFile, make_dataset
from core.data.folder_listing import FolderTree, Listing, find_label_lists, join
from core.data.images import FORMAT_NAMES, ImageError
from core.data.left_out import LeftOut, summarize
from core.data.readers.base import Reader, ReadOptions
from core.data.readers.manifest import is_manifest
from core.data.split_names import assign_splits, known_split, looks_like_split
from core.errors import DatasetError, pluralize
from core.system import files

if TYPE_CHECKING:
    from PIL import Image

_DECODING_1_SPLITS = {"train", "validation", "valid", "val", "test"}


@dataclass(frozen=True)
class FolderSource:
    """Images in files under a folder."""

    root: Path
    decoding: int = images.DECODING

    def content(self, path: str) -> bytes:
        """Return the file's bytes."""
        try:
            return files.read_bytes(self.root / path)
        except OSError as error:
            raise ImageError(error.strerror or str(error)) from None

    def decode(self, content: bytes) -> Image.Image:
        """Decode a file's bytes."""
        return images.decode_image(content, self.decoding)

    def locate(self, path: str) -> ImageFile:
        """See FileSource."""
        return ImageFile(self.root / path)


def read_image_tree(root: Path, options: ReadOptions) -> Dataset:
    """Read the tree. File names alone determine which files are images.

    Raises:
        DatasetError: there are no images, two folders are the same split, or the folders are no classes.
        OSError: a folder can't be listed.
    """
    reading = _Reading(FolderTree(root))
    rows = reading.read()
    if not rows or reading.lists_label_all(rows):
        raise DatasetError(f"{root}: {reading.explain_refusal()}")
    rows, problems = merge_spellings(rows, reading.class_folders)
    problems += reading.left_out.problems()
    problems += check_class_folders(rows)
    summary = summarize(rows, reading.left_out)
    return make_dataset(root, rows, problems, FolderSource(root, options.decoding), summary=summary)


@dataclass
class _Reading:
    """One reading of a tree.

    Attributes:
        tree: the tree.
        left_out: what is left out.
        label_lists: files that list the labels of images.
        class_folders: the folders of each class name.
    """

    tree: FolderTree
    left_out: LeftOut = field(default_factory=LeftOut)
    label_lists: list[str] = field(default_factory=list)
    class_folders: dict[str, list[str]] = field(default_factory=dict)

    def read(self) -> Rows:
        """Return the rows: path, label and split of every image."""
        base = self._find_base()
        splits = assign_splits(self.tree.list(base).folders, str(self.tree.root / base))
        if not splits:
            return self._read_classes(base, UNSPLIT)
        self._leave_beside(base, set(splits.values()))
        rows: Rows = []
        for split, name in splits.items():
            rows += self._read_classes(self._follow_lone(join(base, name)), split)
        return rows

    def lists_label_all(self, rows: Rows) -> bool:
        """Return whether a label list is there, and no class folder has a name that could be a class's."""
        listed = {path.rpartition("/")[0] for path in self.label_lists}
        return bool(self.label_lists) and all(
            has_generic_name(label) or (not is_expression(label) and listed.issuperset(self.class_folders[label]))
            for label in {label for _, label, _ in rows}
        )

    def explain_refusal(self) -> str:
        """Return why there is no image of a class, and what to do."""
        root, left = self.tree.root, self.left_out
        if self.label_lists:
            path = root / self.label_lists[0]
            manifest = (
                f"{path}, which lists them" if is_manifest(path) else "a CSV file with the columns path and label"
            )
            return (
                f"{self.label_lists[0]} looks like a list of labels, so the folders are no classes; put the images of "
                f"each class into a folder with its name, or give {manifest}"
            )
        if path := left.first("looks_like_a_split"):
            return f"'{path}' looks like a split; name the splits train, validation and test"
        if path := left.first("no_class"):
            number = pluralize(left.count("no_class"), "image")
            return f"{number} in no class folder, such as {path}; expected {root}/<class>/*.jpg"
        if path := left.first("unread_format"):
            number = pluralize(left.count("unread_format"), "file")
            return f"no images found that can be read; {number} such as {path}: convert them to JPEG or PNG"
        if path := left.first("archive"):
            return f"no images found; {path} is an archive: unpack it first"
        return f"no images found; expected {root}/<split>/<class>/*.jpg or {root}/<class>/*.jpg ({FORMAT_NAMES})"

    def _find_base(self) -> str:
        """Return the folder of the splits, or of the classes if there are no splits. Folders on the way are followed.

        Raises:
            DatasetError: several folders have splits.
        """
        base = self._follow_lone("")
        listing = self.tree.list(base)
        if listing.images or any(known_split(name) for name in listing.folders):
            return base
        inner = [name for name in listing.folders if self._has_splits(join(base, name))]
        if len(inner) > 1:
            raise DatasetError(
                f"{self.tree.root}: '{inner[0]}' and '{inner[1]}' both contain splits; give one of these folders, or "
                "put the splits above the classes: <split>/<class>/*.jpg"
            )
        if not inner:
            return base
        self._leave_beside(base, set(inner))
        return self._follow_lone(join(base, inner[0]))

    def _has_splits(self, folder: str) -> bool:
        listing = self.tree.list(folder)
        return not listing.images and any(known_split(name) for name in listing.folders)

    def _follow_lone(self, folder: str) -> str:
        """Follow folders that contain one folder of folders and no images, as unpacking an archive creates them."""
        while (name := lone_folder(self.tree, folder)) is not None:
            self._leave_beside(folder, {name})
            folder = join(folder, name)
        return folder

    def _leave_beside(self, folder: str, expected: set[str]) -> None:
        """Leave out what is next to the splits, or next to a folder on the way."""
        listing = self.tree.list(folder)
        self._leave_others(folder, listing)
        for name in listing.folders:
            path = join(folder, name)
            if name in expected:
                continue
            count = self.tree.count_images(path)
            if not count:
                self.left_out.add("foreign_file", path)
            else:
                self.left_out.add("looks_like_a_split" if looks_like_split(name) else "beside_splits", path, count)

    def _leave_others(self, folder: str, listing: Listing) -> None:
        """Leave out the images and files of a folder that are in no class."""
        for name in listing.images:
            self.left_out.add("no_class", join(folder, name))
        lists = set(find_label_lists(self.tree.path(folder), listing))
        self.label_lists += [join(folder, name) for name in lists]
        for kind, names in listing.others.items():
            for name in names:
                self.left_out.add("label_list" if name in lists else kind, join(folder, name))

    def _read_classes(self, base: str, split: str) -> Rows:
        """Return the rows of one split, whose class folders are in `base`."""
        listing = self.tree.list(base)
        self._leave_others(base, listing)
        if wrong := find_wrong_level(self.tree, base):
            raise DatasetError(f"{self.tree.root}: {wrong}")
        rows: Rows = []
        for name in listing.folders:
            path = join(base, name)
            if (known_split(name) or looks_like_split(name)) and (count := self.tree.count_images(path)):
                self.left_out.add("looks_like_a_split", path, count)
                self.label_lists += [join(path, file) for file in self._lists_in(path)]
                continue
            found = [(image, name, split) for image in self._class_images(path)]
            if found:
                rows += found
                self.class_folders.setdefault(name, []).append(path)
            else:
                self.left_out.add("empty_class", path)
        return rows

    def _lists_in(self, folder: str) -> Iterator[str]:
        return find_label_lists(self.tree.path(folder), self.tree.list(folder))

    def _class_images(self, folder: str) -> Iterator[str]:
        """Yield the paths of a class's images, in its folder or deeper. Links to folders are not followed here."""
        lists = set(self._lists_in(folder))
        self.label_lists += [join(folder, name) for name in lists]
        pending = [folder]
        while pending:
            inner = pending.pop()
            listing = self.tree.list(inner)
            for kind, names in listing.others.items():
                for name in names:
                    self.left_out.add("label_list" if inner == folder and name in lists else kind, join(inner, name))
            yield from (f"{inner}/{name}" for name in listing.images)
            for name in listing.folders:
                path = join(inner, name)
                if name in listing.links:
                    self.left_out.add("foreign_file", path)
                elif known_split(name):
                    raise DatasetError(
                        f"{self.tree.root}: '{path}' is a split inside a class; put the splits above the classes: "
                        "<split>/<class>/*.jpg"
                    )
                else:
                    pending.append(path)


def find_image_folders(root: Path) -> list[str]:
    """Return the names of the splits and class folders with images in a folder."""
    tree = FolderTree(root)
    names = [name for name in tree.list("").folders if known_split(name) or is_expression(name)]
    return [name for name in names if tree.count_images(name)]


def is_left_out_by_decoding_1(path: str) -> bool:
    """Return whether version 0.1.0 left out an image that this reader reads, from its path relative to the root."""
    *folders, name = path.split("/")
    if not name.lower().endswith(images.DECODING_1_SUFFIXES):
        return True
    if len(folders) == 3 and folders[0] == "images":
        folders = folders[1:]
    return len(folders) != 1 and not (len(folders) == 2 and folders[0].lower() in _DECODING_1_SPLITS)


READER = Reader("folders", "a folder a class, in a folder a split or without", Path.is_dir, read_image_tree)
