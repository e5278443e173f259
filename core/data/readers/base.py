"""What every reader of a data set format shares."""

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
    """How a data set is to be read.

    Attributes:
        votes: what becomes of several annotators' votes for an image: `majority` gives one label, `soft` also gives
            the share of votes of every class. Formats without votes ignore it.
        decoding: version of the image decoder, see `core.data.images.decode_image`.
    """

    votes: Votes = "majority"
    decoding: int = DECODING


@dataclass(frozen=True)
class Reader:
    """A data set format.

    Attributes:
        name: the value of the setting `format` that chooses this reader.
        description: the files of the format, in a few words.
        can_read: whether a file or folder has this format, by file names and text files alone; decodes no image.
        read: reads a file or folder of this format. Raises DatasetError if no image was found.
    """

    name: str
    description: str
    can_read: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Dataset]
