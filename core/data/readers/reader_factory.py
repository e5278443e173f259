"""Choose the reader for a data set: the first in READERS that can read the path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from core.data.class_names import rename_classes
from core.data.dataset import Dataset, Problem
from core.data.folder_listing import is_archive
from core.data.images import DECODING
from core.data.readers import ckplus, fer2013_csv, ferplus, image_tree, kdef, manifest, parquet, rafdb
from core.data.readers.base import Reader, ReadOptions, Votes
from core.errors import ConfigError, DatasetError, suggest_name

# In the order in which they are tried. The manifest is first: somebody wrote it for this folder. The image tree is
# last: it takes any folder.
READERS: Mapping[str, Reader] = {
    reader.name: reader
    for reader in (
        manifest.READER,
        rafdb.READER,
        ckplus.READER,
        kdef.READER,
        kdef.JAFFE_READER,
        parquet.READER,
        ferplus.READER,
        fer2013_csv.READER,
        image_tree.READER,
    )
}


def read_dataset(
    root: Path | str,
    *,
    format: str = "auto",
    votes: Votes = "majority",
    classes: str | None = None,
    decoding: int = DECODING,
) -> Dataset:
    """Read the paths, labels and splits of a data set.

    A folder's files are recognized by their names; images are decoded later.

    Args:
        root: the folder or file.
        format: the name of a reader; `auto` chooses the first that can read the path, see `_find_reader`.
        votes: see `core.data.readers.base.ReadOptions`.
        classes: how to rename classes, see `core.data.class_names.rename_classes`; None renames none.
        decoding: version of the image decoder, see `core.data.images.decode_image`.

    Returns:
        The data set. Its `problems` list what was not read, such as files outside any class.

    Raises:
        ConfigError: no reader has the name `format`, the data set has no votes for `soft`, or `classes` can't be used.
        DatasetError: the path does not exist, can't be read, or has no images.

    Example:
        >>> dataset = core.read_dataset("faces")
        >>> dataset.frame.groupby(["split", "label"]).size()
    """
    root = Path(root)
    if format != "auto" and format not in READERS:
        raise ConfigError("format", suggest_name(format, READERS, f"choose from auto, {', '.join(READERS)}"))
    try:
        if root.is_file() and is_archive(root):
            raise DatasetError(f"{root}: this is an archive; unpack it, and give the folder")
        reader = READERS[format] if format != "auto" else _find_reader(root, decoding)
        if reader is None:
            raise DatasetError(f"{root}: no such folder; give a folder of faces, or a fer2013.csv")
        dataset = replace(reader.read(root, ReadOptions(votes, decoding)), format=reader.name)
        dataset = replace(dataset, problems=(*_folders_beside(root, dataset), *dataset.problems))
    except OSError as error:
        raise DatasetError(f"{error.filename or root}: {error.strerror}; make the data set readable") from None
    if votes == "soft" and "votes" not in dataset.frame:
        raise ConfigError(
            "votes", f"soft needs the votes of several annotators, but {root} ({dataset.format}) has none; use majority"
        )
    return rename_classes(dataset, classes) if classes else dataset


def _find_reader(root: Path, decoding: int) -> Reader | None:
    """Return the first reader that can read a path; None if there is none.

    A run of version 0.1.0 is read by the reader that this version would have chosen.
    """
    if decoding > 1:
        return next((reader for reader in READERS.values() if reader.can_read(root)), None)
    if fer2013_csv.is_read_by_decoding_1(root):
        return fer2013_csv.READER
    return image_tree.READER if root.is_dir() else None


def _folders_beside(root: Path, dataset: Dataset) -> Iterator[Problem]:
    """Find folders of images in a data set's folder if it was read from a file beside them."""
    if dataset.root == root or not root.is_dir():
        return
    read = {path.partition("/")[0] for path in dataset.frame["path"]}
    names = [name for name in image_tree.find_image_folders(root) if name not in read]
    if names:
        folders = ", ".join(f"{name}/" for name in names)
        yield Problem(
            "foreign_file",
            f"{dataset.root.name} was read; the folders beside it ({folders}) were not: "
            f"choose them with --format {image_tree.READER.name}",
            tuple(names),
        )
