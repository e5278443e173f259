"""Choose the reader for a data set: the first in READERS that can read the path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from core.data.class_names import rename_classes
from core.data.dataset import Dataset, Problem
from core.data.folder_listing import is_archive
from core.data.images import DECODING
from core.data.readers import ckplus, fer2013_csv, image_tree, kdef, manifest, parquet, rafdb
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
        fer2013_csv.READER,
        image_tree.READER,
    )
}

# The readers of version 0.1.0, whose runs have decoding 1.
_DECODING_1_READERS = (fer2013_csv.READER, image_tree.READER)


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
        format: the name of a reader; `auto` chooses the first that can read the path. With decoding 1, it chooses from
            the readers of version 0.1.0, so that its runs read the same images as before.
        votes: see `core.data.readers.base.ReadOptions`.
        classes: how to rename classes, see `core.data.class_names.rename_classes`; None renames none.
        decoding: version of the image decoder, see `core.data.images.decode_image`.

    Returns:
        The data set. Its `problems` list what was not read, such as files outside any class.

    Raises:
        ConfigError: no reader has the name `format`, or `classes` can't be used.
        DatasetError: the path does not exist, can't be read, or has no images.

    Example:
        >>> dataset = core.read_dataset("faces")
        >>> dataset.frame.groupby(["split", "label"]).size()
    """
    root = Path(root)
    if format != "auto" and format not in READERS:
        raise ConfigError("format", suggest_name(format, READERS, f"choose from auto, {', '.join(READERS)}"))
    readers = _DECODING_1_READERS if decoding == 1 else READERS.values()
    candidates = readers if format == "auto" else [READERS[format]]
    try:
        if root.is_file() and is_archive(root):
            raise DatasetError(f"{root}: this is an archive; unpack it, and give the folder")
        for reader in candidates:
            if format != "auto" or reader.can_read(root):
                dataset = replace(reader.read(root, ReadOptions(votes, decoding)), format=reader.name)
                dataset = replace(dataset, problems=(*_folders_beside(root, dataset), *dataset.problems))
                return rename_classes(dataset, classes) if classes else dataset
    except OSError as error:
        raise DatasetError(f"{error.filename or root}: {error.strerror}; make the data set readable") from None
    raise DatasetError(f"{root}: no such folder; give a folder of faces, or a fer2013.csv")


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
