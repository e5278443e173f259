"""Decode images to uint8 pixels. No other module decodes image files."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

# 64 megapixels are 192 MB decoded. Larger JPEG photos are decoded at a half or a quarter of their width and height.
MAX_PIXELS = 64_000_000
_REDUCTIONS = (2, 4)
# The newest version of the decoder, see `decode_image`.
DECODING = 2
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
FORMAT_NAMES = "JPEG, PNG, WebP, BMP, GIF, TIFF, PGM or PPM"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".apng")
IMAGE_SUFFIXES += (".pgm", ".ppm", ".pbm", ".pnm")
# What version 0.1.0 read.
DECODING_1_FORMATS = ("JPEG", "PNG")
DECODING_1_SUFFIXES = (".jpg", ".jpeg", ".png")
# The image formats that the decoder does not read, by the ending of a name and by the first bytes of a file.
UNREAD_SUFFIXES = (".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jpx", ".jxl", ".jxr", ".psd", ".xcf", ".svg")
UNREAD_SUFFIXES += (".ico", ".tga", ".pcx", ".exr", ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2")
_UNREAD_CONTENTS = (
    (rb".{4}ftyp(?:avif|avis)", "AVIF"),
    (rb".{4}ftyp(?:hei|hev|mif1|msf1)", "HEIC"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"\0\0\0\x0cJXL |\xff\x0a", "JPEG XL"),
    (rb"8BPS", "PSD"),
    (rb"\s*(?:<\?xml[^>]*>\s*)?<svg", "SVG"),
)
# Transparent pixels show this background, as in a browser.
_BACKGROUND = "white"
# The factors by which Pillow scales the greys of a PNG with 2 or 4 bits to 8 bits, by Pillow's name for their layout.
_PNG_GREY_FACTORS = {"L;2": 85, "L;4": 17}

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

Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of an image, in pixels. Right and bottom are outside of the part."""

T = TypeVar("T")
R = TypeVar("R")


class ImageError(Exception):
    """An image can't be read. The message is only the reason, such as "empty (0 bytes)", and perhaps a remedy."""


def decode_image(content: bytes, decoding: int = DECODING, box: Box | None = None) -> Image.Image:
    """Decode an image file to mode L (grey) or RGB, upright, with 8 bits per channel.

    The format depends on the content, not on the file's name. Of an animation, the first frame is decoded. Version 2
    puts transparent images on a white background, so that the pixels are what a viewer shows. It decodes JPEG images
    of more than MAX_PIXELS at a half or a quarter of their width and height.

    Args:
        content: the bytes of a file of one of FORMATS.
        decoding: version of the decoder. A run stores the version that it began with and resumes with it, so that its
            pixels stay the same. 1: version 0.1.0, which reads only JPEG and PNG and drops transparency. 2: the newest.
        box: the part to return, in pixels of the upright image at its full size; None for the whole image.

    Raises:
        ImageError: the content is empty, damaged, not an image, or too large; or the box is outside of the image.
    """
    if not content:
        raise ImageError("empty (0 bytes)")
    is_first = decoding == 1
    try:
        image, reduction = _open(content, DECODING_1_FORMATS if is_first else FORMATS, can_reduce=not is_first)
        turn = _UPRIGHT.get(_orientation(image))
        shown = image if is_first or not image.has_transparency_data else _on_background(image, content)
        upright = _eight_bits(shown if turn is None else shown.transpose(turn))
        return upright if box is None else _crop(upright, box, reduction)
    except UnidentifiedImageError:
        raise ImageError("not a JPEG or PNG image" if is_first else _explain_unidentified(content)) from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, MemoryError, OverflowError) as error:
        raise ImageError(f"damaged ({error})") from None


def _open(content: bytes, formats: tuple[str, ...], *, can_reduce: bool) -> tuple[ImageFile, int]:
    """Open an image without decoding its pixels. Set JPEG images that are too large to be decoded reduced.

    Returns:
        The image, and the factor by which its width and height are reduced.
    """
    remedy = ": reduce its width and height" if can_reduce else ""
    try:
        image = Image.open(BytesIO(content), formats=formats)
    except Image.DecompressionBombError:
        if not can_reduce or not content.startswith(b"\xff\xd8"):
            raise ImageError(f"too large (the limit is {MAX_PIXELS:,} pixels){remedy}") from None
        # Image.open refuses more than 179 megapixels, however small the decoded image is.
        image = JpegImageFile(BytesIO(content))
    width, height = image.size
    reduction = 1
    if width * height > MAX_PIXELS and can_reduce and isinstance(image, JpegImageFile):
        for reduction in _REDUCTIONS:
            if width * height <= MAX_PIXELS * reduction**2:
                image.draft(None, (width // reduction, height // reduction))
                break
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(f"too large ({width} x {height} pixels, the limit is {MAX_PIXELS:,}){remedy}")
    return image, reduction


def _crop(image: Image.Image, box: Box, reduction: int) -> Image.Image:
    """Return the part of a decoded image in a box, which has the pixels of the image before its reduction."""
    left, top, right, bottom = (round(edge / reduction) for edge in box)
    inside = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise ImageError(f"its box {box} is outside of the image ({image.width} x {image.height} pixels)")
    return image.crop(inside)


def _explain_unidentified(content: bytes) -> str:
    """Return why no format matches a content: it is no image, or an image of a format that is not read."""
    for pattern, name in _UNREAD_CONTENTS:
        if re.match(pattern, content[:1000], re.DOTALL):
            return f"{name}, which is not read: convert it to JPEG or PNG"
    if content.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer instead of the image: run 'git lfs pull'"
    return f"not a {FORMAT_NAMES} image"


def _on_background(image: ImageFile, content: bytes) -> Image.Image:
    """Return a transparent image on the background: mode L for a grey image, else RGB.

    Args:
        image: the image, whose pixels are not decoded yet.
        content: the bytes of its file.
    """
    layout = image.tile[0].args if image.format == "PNG" else ""
    if layout in ("I;16B", "RGB;16B"):
        return _without_16_bit_colour(image, content)
    if layout in _PNG_GREY_FACTORS and "transparency" in image.info:
        # Pillow scales the pixels, but not the transparent grey.
        image.info["transparency"] *= _PNG_GREY_FACTORS[layout]
    is_grey = image.mode in ("1", "L", "LA", "La") or layout == "LA;16B"
    # Pillow converts premultiplied modes only to their own kind.
    straight = image.convert("LA") if image.mode == "La" else image
    opaque = Image.new("RGBA", image.size, _BACKGROUND)
    opaque.alpha_composite(straight.convert("RGBA"))
    return opaque.convert("L" if is_grey else "RGB")


def _without_16_bit_colour(image: Image.Image, content: bytes) -> Image.Image:
    """Return a PNG with 16 bits per channel, with its transparent grey or colour replaced by white: mode I;16 or RGB.

    Pillow has no mode for 16-bit greys with transparency, and decodes only the high byte of 16-bit colours.
    """
    transparent = image.info["transparency"]
    if image.mode != "RGB":
        greys = np.array(image, dtype=np.uint16)
        greys[greys == transparent] = 65535
        return Image.fromarray(greys)
    low = Image.open(BytesIO(content), formats=["PNG"])
    # The layout of little-endian files makes Pillow decode the second byte of each value, here the low one.
    low.tile = [part._replace(args="RGB;16L") for part in low.tile]
    values = np.asarray(image).astype(np.uint16) << 8 | np.asarray(low)
    shown = np.array(image)
    shown[(values == transparent).all(axis=-1)] = 255
    return Image.fromarray(shown)


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
    if image.mode == "F":
        raise ImageError("its pixels are floating-point numbers, whose range is unknown: convert them to 8 bits")
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
