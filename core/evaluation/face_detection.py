"""Faces on a photograph, found by the cascade that comes with OpenCV."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

# The cascade's own size is 24 pixels; smaller than twice that it finds what is none.
MIN_FACE_SIZE = 48
# A photograph is searched no larger than this: time grows with its area, and so do findings in its noise.
MAX_SEARCH_SIZE = 1280
# A cascade keeps what it is searching; it uses every core by itself.
_CASCADE_LOCK = threading.Lock()


class Box(NamedTuple):
    """Where a face is, in pixels of the photograph."""

    left: int
    top: int
    width: int
    height: int

    def crop(self, image: Image.Image) -> Image.Image:
        """The face alone."""
        return image.crop((self.left, self.top, self.left + self.width, self.top + self.height))


def is_cropped(image: Image.Image, size: int) -> bool:
    """Whether an image is a face already, as those of a data set are: square, and not much over a model's input."""
    return image.width == image.height and image.width <= 2 * size


def find_faces(image: Image.Image) -> list[Box]:
    """The faces on a photograph, the largest first.

    Args:
        image: mode L or RGB.

    Source:
        P. Viola and M. Jones 2001; OpenCV's haarcascade_frontalface_default, made by R. Lienhart. It finds upright
        faces that look at the camera, and now and then what is no face.
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
