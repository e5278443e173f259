"""All images of a frame, decoded once. They are stored in memory up to a limit, above it in a memory-mapped file.

The file is unlinked when it is opened, so that it never outlives the process. It is in the user's cache folder, because
/tmp may be in memory. In both cases, callers get an array; for a file, it is a `numpy.memmap`.
"""

from __future__ import annotations

import math
import mmap
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from core.config.training_config import IMAGE_MEMORY
from core.data import images
from core.data.dataset import Dataset, Problem
from core.data.images import ImageError
from core.errors import DatasetError, pluralize
from core.system.files import MIB
from core.system.folders import user_folder

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image


@dataclass(frozen=True)
class Pixels:
    """The decoded images of a frame.

    Attributes:
        values: uint8, shape (images, height, width, channels), with one channel if all images are grey. A memory-mapped
            file if the images exceed the memory limit.
        frame: the rows of the decoded images, in the order of `values`.
        problems: a problem of kind `undecodable` if an image could not be decoded, else empty.
    """

    values: np.ndarray
    frame: pd.DataFrame
    problems: tuple[Problem, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of each image."""
        _, height, width, channels = self.values.shape
        return height, width, channels


def load_pixels(
    dataset: Dataset,
    frame: pd.DataFrame,
    size: int,
    channels: int,
    stopped: Callable[[], bool] = lambda: False,
    memory: int = IMAGE_MEMORY,
) -> Pixels:
    """Decode the images of a frame once, in threads, into one array.

    If all images have the same size, and it is not larger than `size`, they keep it; batches resize them later.
    Otherwise all images are resized to size x size here. The first image determines the shape of the array. If a later
    image does not fit, decoding starts again with another shape.

    Args:
        dataset: the data set of the images.
        frame: rows of the data set's frame.
        size: the model's input size in pixels.
        channels: 1 converts colour to grey; 3 keeps the colour of colour images.
        stopped: called every 512 images. If it returns True, decoding ends early with the images so far.
        memory: the memory limit for the pixels, in MiB; above it, they are stored in a file.

    Raises:
        DatasetError: no image can be decoded, or the disk has no room for the file.
    """

    def decode(path: str) -> Image.Image | ImageError:
        try:
            image = dataset.image(path)
        except ImageError as error:
            return error
        return images.resize_image(image, size) if max(image.size) > size else image

    def fill(store: PixelStore | None) -> Pixels | tuple[int, int, int]:
        """Return the pixels, or the necessary shape if an image does not fit into the store."""
        kept: list[int] = []
        broken: list[tuple[str, str]] = []
        for row, (path, image) in enumerate(
            zip(frame["path"], images.map_in_threads(decode, frame["path"].tolist()), strict=True)
        ):
            if isinstance(image, ImageError):
                broken.append((path, str(image)))
            else:
                needed = images.pixel_shape(image, channels)
                if store is None:
                    store = PixelStore(len(frame), needed, memory)
                elif needed[:2] != store.shape[:2] != (size, size):
                    return size, size, max(needed[2], store.shape[2])
                elif needed[2] > store.shape[2]:
                    return *store.shape[:2], needed[2]
                fitted = image if needed[:2] == store.shape[:2] else images.resize_image(image, size)
                store.append(images.to_pixels(fitted, store.shape[2]))
                kept.append(row)
            if row % 512 == 0 and stopped():
                break
        if store is None or not kept:
            raise DatasetError(
                f"{dataset.root}: none of its {len(frame):,} images can be read; 'fer-tui data check' lists them"
            )
        return Pixels(store.values(), frame.iloc[kept].reset_index(drop=True), undecodable_problems(broken))

    found = fill(None)
    while not isinstance(found, Pixels):
        found = fill(PixelStore(len(frame), found, memory))
    return found


def undecodable_problems(broken: list[tuple[str, str]]) -> tuple[Problem, ...]:
    """Return a problem for images that could not be read, with the reasons; empty if there are none."""
    if not broken:
        return ()
    named = "; ".join(f"{path}: {reason}" for path, reason in broken[:3])
    more = f"; and {len(broken) - 3:,} more" if len(broken) > 3 else ""
    return (
        Problem(
            "undecodable",
            f"{pluralize(len(broken), 'image')} can't be read and will be skipped: {named}{more}; replace or remove "
            "them",
            tuple(p for p, _ in broken),
        ),
    )


class PixelStore:
    """An array that is filled image by image.

    Args:
        count: the maximum number of images.
        shape: height, width and channels of each image.
        limit: the memory limit, in MiB.

    Raises:
        DatasetError: the images need a file, and the disk has no room for it.
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
        """Add an image, uint8, with the store's shape."""
        if self._file is None:
            self._memory[self.filled] = image
        else:
            self._file.write(np.ascontiguousarray(image).data)
        self.filled += 1

    def values(self) -> np.ndarray:
        """Return the images, at least one: uint8, shape (images, height, width, channels).

        The array is read-only if the images are in a file.
        """
        if self._file is None:
            return self._memory[: self.filled]
        self._file.flush()
        return np.memmap(self._file, np.uint8, mode="r", shape=(self.filled, *self.shape))


def read_rows(values: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
    """Copy rows of a store's values, and release the pages of the mapped file that this read.

    Otherwise, every page that was ever read would count as memory of this process.
    """
    found = np.array(values[rows])
    mapping = getattr(values, "_mmap", None)
    if mapping is not None:
        mapping.madvise(mmap.MADV_DONTNEED)
    return found


def _unnamed_file(size: int) -> IO[bytes]:
    folder = user_folder("cache") or Path(tempfile.gettempdir())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=folder, buffering=MIB)  # noqa: SIM115 (the store keeps it open)
        if sys.platform == "linux":
            # Reserve the space now, so that a full disk is an error with this folder's name before any decoding.
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        raise DatasetError(
            f"{folder}: {error.strerror}; {size / MIB:,.0f} MiB of decoded images need free space there, or in memory: "
            "increase image memory"
        ) from None
    return file
