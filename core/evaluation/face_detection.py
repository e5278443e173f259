"""Detect faces on photographs with a cascade classifier of OpenCV."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

# Pixels. The cascade was trained on 24 pixels. Below twice that size it finds too many false faces.
MIN_FACE_SIZE = 48
# Pixels. Larger photographs are scaled down, because time and false detections grow with the area.
MAX_SEARCH_SIZE = 1280
# A cascade is not thread-safe. It uses all cores by itself.
_CASCADE_LOCK = threading.Lock()


class Box(NamedTuple):
    """The position of a face, in pixels of the photograph."""

    left: int
    top: int
    width: int
    height: int

    def crop(self, image: Image.Image) -> Image.Image:
        """Cut the face out of the photograph."""
        return image.crop((self.left, self.top, self.left + self.width, self.top + self.height))


def is_cropped(image: Image.Image, size: int) -> bool:
    """Return whether an image is a cropped face, like a data set's images: square and up to twice the input's size.

    Args:
        image: the image.
        size: height and width of the model's input.
    """
    return image.width == image.height and image.width <= 2 * size


def find_faces(image: Image.Image) -> list[Box]:
    """Detect the faces on a photograph.

    The detector finds upright frontal faces. It sometimes returns a box without a face.

    Args:
        image: mode L or RGB.

    Returns:
        The faces' boxes, the largest first.

    Source:
        P. Viola and M. Jones 2001; OpenCV's haarcascade_frontalface_default, made by R. Lienhart.
    """
    grey = image.convert("L")
    scale = max(max(grey.size) / MAX_SEARCH_SIZE, 1.0)
    if scale > 1:
        grey = grey.resize((round(grey.width / scale), round(grey.height / scale)), Image.Resampling.BILINEAR)
    cascade, equalized = _cascade()
    with _CASCADE_LOCK:
        found = cascade.detectMultiScale(
            equalized(np.asarray(grey)), scaleFactor=1.1, minNeighbors=6, minSize=(MIN_FACE_SIZE, MIN_FACE_SIZE)
        )
    boxes = [Box(*(round(int(edge) * scale) for edge in box)) for box in found]
    return sorted(boxes, key=lambda box: -box.width * box.height)


@cache
def _cascade() -> tuple[Any, Any]:
    import cv2
    import cv2.data

    place = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
    return cv2.CascadeClassifier(str(place)), cv2.equalizeHist
