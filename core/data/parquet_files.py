"""Open Parquet files with the extra package pyarrow."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from core.errors import DatasetError, first_line
from core.system.extras import install_command, is_installed

PARQUET = ".parquet"
_LFS_POINTER = b"version https://git-lfs"


def is_parquet(path: Path) -> bool:
    """Return whether a file is a Parquet file, by its name."""
    return path.name.lower().endswith(PARQUET)


def check_pyarrow(path: Path) -> None:
    """Check that a Parquet file can be read or written.

    Raises:
        DatasetError: pyarrow is not installed.
    """
    if not is_installed("parquet"):
        raise DatasetError(f"{path}: Parquet files need pyarrow, which is not installed; {install_command('parquet')}")


def open_parquet(path: Path) -> Any:
    """Open a file as a `pyarrow.parquet.ParquetFile`. Only its schema is read; the rest is mapped into memory.

    Raises:
        DatasetError: pyarrow is not installed, or the file is no Parquet file.
        OSError: the file can't be read.
    """
    check_pyarrow(path)
    parquet = import_module("pyarrow.parquet")
    try:
        return parquet.ParquetFile(path, memory_map=True)
    except import_module("pyarrow").ArrowInvalid as error:
        with path.open("rb") as file:
            if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise DatasetError(f"{path}: a Git LFS pointer instead of the file; run 'git lfs pull'") from None
        raise DatasetError(f"{path}: not a Parquet file ({first_line(error)}); download it again") from None
