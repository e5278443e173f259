"""Choose the reader that a place needs."""

from __future__ import annotations

from pathlib import Path

from core.data.dataset import Dataset
from core.data.readers import image_tree
from core.data.readers.fer2013_csv import read_csv
from core.errors import DatasetError


def read_dataset(root: Path) -> Dataset:
    """Read a data set: ROOT/<split>/<class>/*, ROOT/images/<split>/..., ROOT/<class>/*, or fer2013.csv.

    Only names are looked at; images are decoded later. Hidden and foreign files and empty classes become
    problems, never guesses.

    Raises:
        DatasetError: there is no such place, or no image in it.
    """
    root = Path(root)
    try:
        if root.is_file():
            return read_csv(root)
        if not root.is_dir():
            raise DatasetError(f"{root}: no such folder; give the folder of faces, or a fer2013.csv")
        csv = root / "fer2013.csv"
        dataset = read_csv(csv) if csv.is_file() else image_tree.read(root)
    except OSError as error:
        raise DatasetError(f"{error.filename or root}: {error.strerror}; the data set must be readable") from None
    return dataset
