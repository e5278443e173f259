"""Decode images to uint8 pixels. No other module decodes image files."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

# 64 megapixels are 192 MB decoded. A larger image than that is probably a decompression bomb, not a photo.
MAX_PIXELS = 64_000_000
# The newest version of the decoder, see `decode_image`.
DECODING = 2
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
FORMATS = ("JPEG", "PNG")

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

T = TypeVar("T")
R = TypeVar("R")


class ImageError(Exception):
    """An image can't be read. The message is only the reason, such as "not a JPEG or PNG image"."""


def decode_image(content: bytes, decoding: int = DECODING) -> Image.Image:
    """Decode an image file to mode L (grey) or RGB, upright, with 8 bits per channel.

    Args:
        content: the bytes of a JPEG or PNG file.
        decoding: version of the decoder. A run stores the version that it began with and resumes with it, so that its
            pixels stay the same. 1: version 0.1.0. 2: the newest.

    Raises:
        ImageError: the content is empty, damaged, not an image, or larger than MAX_PIXELS.
    """
    if not content:
        raise ImageError("empty (0 bytes)")
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ImageError(f"too large ({width} x {height} pixels, the limit is {MAX_PIXELS:,})")
        turn = _UPRIGHT.get(_orientation(image))
        return _eight_bits(image if turn is None else image.transpose(turn))
    except Image.DecompressionBombError:
        raise ImageError(f"too large (the limit is {MAX_PIXELS:,} pixels)") from None
    except UnidentifiedImageError:
        raise ImageError("not a JPEG or PNG image") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, MemoryError, OverflowError) as error:
        raise ImageError(f"damaged ({error})") from None


def _orientation(image: Image.Image) -> Any:
    """Return the EXIF orientation, 1 to 8; 1 (upright) if the image has none or damaged EXIF data.

    ImageOps.exif_transpose rewrites all EXIF data and fails on invalid tags, which some cameras write.
    """
    if "exif" not in image.info:
        return 1
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return the image as mode L or RGB. Scale 16-bit greys, which Pillow would clip to white."""
    if image.mode.startswith("I"):
        pixels = np.asarray(image, dtype=np.int64)
        return Image.fromarray((pixels >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in ("1", "L", "LA", "La"):
        return image.convert("L")
    if image.mode == "RGB":
        image.load()
        return image
    return image.convert("RGB")


def pixel_shape(image: Image.Image, channels: int) -> tuple[int, int, int]:
    """Return height, width and channels of an image's pixels: one channel for a grey image, else `channels`."""
    return image.height, image.width, 1 if image.mode == "L" else channels


def to_pixels(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    """Return an image's pixels, shape (height, width, channels), in grey (1) or colour (3)."""
    mode = "L" if channels == 1 else "RGB"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels.reshape(*pixels.shape[:2], channels)


def resize_image(image: Image.Image, size: int) -> Image.Image:
    """Resize the image to size x size. Pillow antialiases when it downsizes."""
    if image.size == (size, size):
        return image
    return image.resize((size, size), Image.Resampling.BILINEAR)


def read_image(path: Path) -> Image.Image:
    """Read an image file.

    Raises:
        ImageError: the file can't be read or decoded.
    """
    try:
        return decode_image(path.read_bytes())
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from None


def map_in_threads(function: Callable[[T], R], items: Sequence[T], group: int = 64) -> Iterator[R]:
    """Map a function over items in one thread per core, in order, with a group of items per task.

    Only a few groups are in progress at any time. The memory, and the wait after the caller stops early, therefore do
    not grow with the data set.
    """
    threads = os.cpu_count() or 1
    starts = range(0, len(items), group)
    with ThreadPoolExecutor(threads) as pool:
        tasks: deque[Future[list[R]]] = deque()
        for start in starts:
            tasks.append(pool.submit(_each, function, items[start : start + group]))
            if len(tasks) > 2 * threads:
                yield from tasks.popleft().result()
        while tasks:
            yield from tasks.popleft().result()


def _each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [function(item) for item in items]
