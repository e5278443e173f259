"""Where decoded images are kept: in memory up to a limit, in a mapped file on disk beyond.

The file has no name once it is open, so that nothing is left of it whatever ends the process, and it lies in the
user's cache folder, as /tmp may be memory. Readers see an array either way; that of a file is a `numpy.memmap`.
"""

from __future__ import annotations

import math
import mmap
import os
import sys
import tempfile
from typing import IO

import numpy as np

from core.errors import DatasetError
from core.files import MIB


class PixelStore:
    """An array of images that is filled once, image by image.

    Args:
        count: images at the most.
        shape: of each: height, width, channels.
        limit: of memory, MiB.

    Raises:
        DatasetError: the images need a file, and there is no room for it.
    """

    def __init__(self, count: int, shape: tuple[int, int, int], limit: int) -> None:
        self.shape = shape
        self.filled = 0
        self._file: IO[bytes] | None = None
        if count * math.prod(shape) <= limit * MIB:
            self._memory = np.empty((count, *shape), np.uint8)
        else:
            self._file = _unnamed_file(count * math.prod(shape))

    def append(self, image: np.ndarray) -> None:
        """Add an image, uint8 of the store's shape."""
        if self._file is None:
            self._memory[self.filled] = image
        else:
            self._file.write(np.ascontiguousarray(image).data)
        self.filled += 1

    def values(self) -> np.ndarray:
        """The images that were added, one at the least: uint8, shape (images, height, width, channels).

        They are read-only where they lie in a file.
        """
        if self._file is None:
            return self._memory[: self.filled]
        self._file.flush()
        return np.memmap(self._file, np.uint8, mode="r", shape=(self.filled, *self.shape))


def read_rows(values: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
    """Copy some images out of a store's values; what that mapped of its file is let go at once.

    Without that, each page of the file that was ever read would count as this process's memory.
    """
    found = np.array(values[rows])
    mapping = getattr(values, "_mmap", None)
    if mapping is not None:
        mapping.madvise(mmap.MADV_DONTNEED)
    return found


def _unnamed_file(size: int) -> IO[bytes]:
    from platformdirs import user_cache_path

    folder = user_cache_path("fer-tui")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=folder, buffering=MIB)  # noqa: SIM115 (the store keeps it open)
        if sys.platform == "linux":
            # Now, so that a full disk is told before an hour of decoding, and with this folder's name.
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        raise DatasetError(
            f"{folder}: {error.strerror}; {size / MIB:,.0f} MiB of decoded images need room there, or in memory: "
            "--image-memory"
        ) from None
    return file
