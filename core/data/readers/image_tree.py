"""The reader of a tree of image files: ROOT/<split>/<class>/*, ROOT/images/<split>/..., or ROOT/<class>/*."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.data import images
from core.data.dataset import UNSPLIT, Dataset, Problem, make_dataset
from core.data.images import IMAGE_SUFFIXES, ImageError
from core.data.readers.base import Reader, ReadOptions
from core.errors import DatasetError
from core.system import files

if TYPE_CHECKING:
    from PIL import Image

Rows = list[tuple[str, str, str]]

SPLIT_ALIASES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}


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


def read_image_tree(root: Path, options: ReadOptions) -> Dataset:
    """Read the tree. File names alone determine which files are images.

    Raises:
        DatasetError: there are no images, or two folders are the same split.
        OSError: a folder can't be listed.
    """
    problems: list[Problem] = []
    base = root
    splits = _split_folders(base)
    if not splits and (root / "images").is_dir():
        base = root / "images"
        splits = _split_folders(base)
    rows: Rows = []
    if splits:
        _name_foreign(root, base, {entry.name for entry in splits.values()}, problems)
        for split, entry in splits.items():
            _read_split(root, Path(entry.path), split, rows, problems)
    else:
        base = root
        _read_split(root, base, UNSPLIT, rows, problems)
    if not rows:
        raise DatasetError(
            f"{root}: no images found; expected {root}/<split>/<class>/*.jpg or {root}/<class>/*.jpg (jpg, jpeg, png)"
        )
    return make_dataset(root, rows, _merge_problems(problems), FolderSource(root, options.decoding))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _check_kind(is_kind: Callable[[], bool]) -> bool:
    """Call an entry's `is_dir` or `is_file`. Return False for a link that points to itself."""
    try:
        return is_kind()
    except OSError:
        return False


def _split_folders(base: Path) -> dict[str, os.DirEntry[str]]:
    """Return the folders of `base` that are splits, by the standard name of the split."""
    found: dict[str, os.DirEntry[str]] = {}
    for entry in _entries(base):
        split = SPLIT_ALIASES.get(entry.name.lower())
        if split is None or not _check_kind(entry.is_dir):
            continue
        if split in found:
            raise DatasetError(
                f"{base}: '{found[split].name}' and '{entry.name}' are both names of the {split} split; keep one folder"
            )
        found[split] = entry
    return {split: found[split] for split in ("train", "validation", "test") if split in found}


def _name_foreign(root: Path, base: Path, splits: set[str], problems: list[Problem]) -> None:
    """Add a problem for each file or folder next to the splits."""
    for folder, expected in ((base, splits), *(((root, {base.name}),) if base != root else ())):
        for entry in _entries(folder):
            if entry.name not in expected:
                problems.append(_foreign(root, entry))


def _read_split(root: Path, folder: Path, split: str, rows: Rows, problems: list[Problem]) -> None:
    """Add the images of ROOT/<split>/<class>."""
    for entry in _entries(folder):
        if entry.name.startswith(".") or not _check_kind(entry.is_dir):
            problems.append(_foreign(root, entry))
            continue
        found = list(_read_class(root, Path(entry.path), problems))
        rows += [(path, entry.name, split) for path in found]
        if not found:
            problems.append(
                Problem("empty_class", "folders without images are not classes", (_relative(root, entry.path),))
            )


def _read_class(root: Path, folder: Path, problems: list[Problem]) -> Iterator[str]:
    """Yield the paths of one class's images, relative to root."""
    for entry in _entries(folder):
        name = entry.name
        if name.startswith(".") or not name.lower().endswith(IMAGE_SUFFIXES) or not _check_kind(entry.is_file):
            problems.append(_foreign(root, entry))
        else:
            yield _relative(root, entry.path)


def _foreign(root: Path, entry: os.DirEntry[str]) -> Problem:
    kind = "hidden_file" if entry.name.startswith(".") else "foreign_file"
    what = "hidden files" if kind == "hidden_file" else "files and folders outside the classes"
    return Problem(kind, f"skipped {what}", (_relative(root, entry.path),))


def _relative(root: Path, path: str) -> str:
    return Path(path).relative_to(root).as_posix()


def _merge_problems(problems: list[Problem]) -> list[Problem]:
    """Merge problems of the same kind into one, with all their paths."""
    merged: dict[str, Problem] = {}
    for problem in problems:
        before = merged.get(problem.kind)
        merged[problem.kind] = Problem(
            problem.kind, problem.message, (*(before.paths if before else ()), *problem.paths)
        )
    return [_with_count(problem) for problem in merged.values()]


def _with_count(problem: Problem) -> Problem:
    """Add the first path and the number of other paths to the message."""
    first = problem.paths[0]
    more = f" and {len(problem.paths) - 1:,} more" if len(problem.paths) > 1 else ""
    return Problem(problem.kind, f"{problem.message}: {first}{more}", problem.paths)


READER = Reader("folders", "a folder a class, in a folder a split or without", Path.is_dir, read_image_tree)
