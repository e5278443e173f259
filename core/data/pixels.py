"""All images of a frame, decoded once: in memory up to a limit, in a mapped file on disk beyond.

The file has no name once it is open, so that nothing is left of it whatever ends the process, and it lies in the
user's cache folder, as /tmp may be memory. Readers see an array either way; that of a file is a `numpy.memmap`.
"""

from __future__ import annotations

import math
import mmap
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from core.config.training_config import IMAGE_MEMORY
from core.data import images
from core.data.dataset import Dataset, Problem
from core.data.images import ImageError
from core.errors import DatasetError, pluralize
from core.system.files import MIB

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image


@dataclass(frozen=True)
class Pixels:
    """Decoded images of a frame.

    Attributes:
        values: uint8, shape (images, height, width, channels); one channel where every image is grey. A mapped file
            where they are more than was allowed in memory.
        frame: the rows that could be decoded, in the order of `values`.
        problems: one of kind `undecodable` where any could not.
    """

    values: np.ndarray
    frame: pd.DataFrame
    problems: tuple[Problem, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of each."""
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

    Images that are all of one size and no larger than `size` keep it, to be enlarged on batches later; others
    are reduced, or enlarged, here to size x size. The first image tells what to make room for; another that does not
    fit begins the decoding anew.

    Args:
        dataset: where the images come from.
        frame: rows of its frame.
        size: the model's input size in pixels.
        channels: 1 turns colour to grey; 3 keeps colour where there is any.
        stopped: asked between chunks; true ends the decoding early with what there is.
        memory: MiB that the pixels may take; more of them are kept in a file (see `core.data.pixels`).

    Raises:
        DatasetError: none of them can be decoded, or there is no room for the file.
    """

    def decode(path: str) -> Image.Image | ImageError:
        try:
            image = dataset.image(path)
        except ImageError as error:
            return error
        return images.resize_image(image, size) if max(image.size) > size else image

    def fill(store: PixelStore | None) -> Pixels | tuple[int, int, int]:
        """The pixels; or the shape that they must have instead, where an image does not fit into the store."""
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
                f"{dataset.root}: none of its {len(frame):,} images can be read; 'fer-tui data check' names them"
            )
        return Pixels(store.values(), frame.iloc[kept].reset_index(drop=True), undecodable_problems(broken))

    found = fill(None)
    while not isinstance(found, Pixels):
        found = fill(PixelStore(len(frame), found, memory))
    return found


def undecodable_problems(broken: list[tuple[str, str]]) -> tuple[Problem, ...]:
    """The problem that images could not be read, with each one's reason; none where all could."""
    if not broken:
        return ()
    named = "; ".join(f"{path}: {reason}" for path, reason in broken[:3])
    more = f"; and {len(broken) - 3:,} more" if len(broken) > 3 else ""
    return (
        Problem(
            "undecodable",
            f"{pluralize(len(broken), 'image')} can't be read and will be skipped: {named}{more}",
            tuple(p for p, _ in broken),
        ),
    )


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
            "set image memory higher"
        ) from None
    return file
