"""Choose the reader for a data set: the first in READERS that can read the path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.data.dataset import Dataset
from core.data.readers import fer2013_csv, image_tree
from core.errors import DatasetError


@dataclass(frozen=True)
class Reader:
    """A data set format.

    Attributes:
        name: the format's name.
        can_read: returns whether a file or folder has this format. It checks only file names.
        read: reads a data set of this format.
    """

    name: str
    can_read: Callable[[Path], bool]
    read: Callable[[Path], Dataset]


def _csv_in(root: Path) -> Path:
    return root if root.is_file() else root / "fer2013.csv"


READERS = (
    Reader("fer2013", lambda root: _csv_in(root).is_file(), lambda root: fer2013_csv.read_fer2013_csv(_csv_in(root))),
    Reader("image tree", Path.is_dir, image_tree.read_image_tree),
)


def read_dataset(root: Path | str) -> Dataset:
    """Read a data set: ROOT/<split>/<class>/*, ROOT/images/<split>/..., ROOT/<class>/*, or fer2013.csv.

    A folder's files are recognized by their names; images are decoded later.

    Args:
        root: the folder, or the CSV file.

    Returns:
        The data set. Its `problems` list hidden files, files outside any class and empty classes.

    Raises:
        DatasetError: the path does not exist, can't be read, or has no images.

    Example:
        >>> dataset = core.read_dataset("faces")
        >>> dataset.frame.groupby(["split", "label"]).size()
    """
    root = Path(root)
    try:
        for reader in READERS:
            if reader.can_read(root):
                return reader.read(root)
    except OSError as error:
        raise DatasetError(f"{error.filename or root}: {error.strerror}; make the data set readable") from None
    raise DatasetError(f"{root}: no such folder; give a folder of faces, or a fer2013.csv")
