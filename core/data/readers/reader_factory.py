"""Choose the reader that a place needs: one row a format, the first that takes the place reads it."""

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
        name: what it is called.
        takes: whether a file or folder is of this format, by names alone.
        read: reads one that is.
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

    This lists the images by their names and decodes none of them.

    Args:
        root: the folder, or the CSV file.

    Returns:
        The data set. Its `problems` list hidden and foreign files and empty classes.

    Raises:
        DatasetError: there is no such folder or file, or no image in it.

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
        raise DatasetError(f"{error.filename or root}: {error.strerror}; the data set must be readable") from None
    raise DatasetError(f"{root}: no such folder; give the folder of faces, or a fer2013.csv")
