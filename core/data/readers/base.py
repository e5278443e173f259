"""The types that the readers of all data set formats share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.data.dataset import Dataset
from core.data.images import DECODING

Votes = Literal["majority", "soft"]


@dataclass(frozen=True)
class ReadOptions:
    """Options of a reader.

    Attributes:
        votes: how the votes of several annotators become a label. `majority` gives one label and no column
            `votes`. `soft` gives a label and the column `votes` of a frame; formats without votes never have it.
        decoding: version of the image decoder, see `core.data.images.decode_image`.
    """

    votes: Votes = "majority"
    decoding: int = DECODING


@dataclass(frozen=True)
class Reader:
    """A data set format.

    Attributes:
        name: the value of the setting `format` that chooses this reader.
        description: a short description of the format's files.
        can_read: returns whether a file or folder has this format. It reads only file names and text files.
        read: reads a file or folder of this format. Raises DatasetError if there are no images.
    """

    name: str
    description: str
    can_read: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Dataset]
