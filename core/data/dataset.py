"""A data set as one pandas frame with the columns path, label and split; its class counts and fingerprint."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from core.data import images
from core.data.images import Box, ImageError
from core.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

SPLITS = ("train", "validation", "test")
UNSPLIT = "all"


@dataclass(frozen=True)
class Problem:
    """A problem of a data set.

    Attributes:
        kind: a code such as `undecodable` or `foreign_file`.
        message: one line that says what is wrong and what to do.
        paths: the affected images or files, relative to the data set's root.
    """

    kind: str
    message: str
    paths: tuple[str, ...] = ()


class ImageSource(Protocol):
    """Reads the images of a frame."""

    def content(self, path: str) -> bytes:
        """Return the bytes for the fingerprint: the file, or the row's pixels. Raise ImageError if unreadable."""
        ...

    def decode(self, content: bytes) -> Image.Image:
        """Decode a content to an image of mode L or RGB. Raise ImageError if it is damaged."""
        ...


class ImageFile(NamedTuple):
    """Where an image is.

    Attributes:
        path: the file.
        box: the part of the file's image that is the image; None for the whole.
    """

    path: Path
    box: Box | None = None


@runtime_checkable
class FileSource(Protocol):
    """A source whose images are files, or parts of files."""

    def locate(self, path: str) -> ImageFile:
        """Return where an image of the frame is."""
        ...


@dataclass(frozen=True)
class Dataset:
    """A data set.

    Attributes:
        root: the folder or CSV file.
        frame: columns `path` (relative to root), `label`, `split`, sorted by path. Some readers add `group` (the person
            or sequence that an image belongs to) or `votes` (a tuple: the share of votes of every class of `classes`).
        classes: all class names, in alphabetical order.
        problems: the problems found so far.
        source: reads the images of `frame`.
        format: the name of the reader, see `core.data.readers.reader_factory.READERS`.
        summary: one line that says what the reader took and what it left out.
    """

    root: Path
    frame: pd.DataFrame
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    source: ImageSource
    format: str = ""
    summary: str = ""

    def image(self, path: str) -> Image.Image:
        """Return a decoded image, mode L or RGB.

        Raises:
            ImageError: the image can't be read or is damaged.
        """
        return self.source.decode(self.source.content(path))

    def split(self, name: str) -> pd.DataFrame:
        """Return the rows of one split."""
        return self.frame[self.frame["split"] == name].reset_index(drop=True)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits with images, in the order train, validation, test."""
        return tuple(name for name in (*SPLITS, UNSPLIT) if (self.frame["split"] == name).any())


def make_dataset(
    root: Path,
    rows: Sequence[tuple[str, str, str]],
    problems: Sequence[Problem],
    source: ImageSource,
    *,
    summary: str = "",
    columns: Mapping[str, Sequence[Any]] | None = None,
) -> Dataset:
    """Create a Dataset. Add the problems of its splits and classes.

    Args:
        root: the folder or file.
        rows: path, label and split of every image.
        problems: the problems found so far.
        source: reads the images.
        summary: see Dataset.
        columns: further columns of the frame, a value for each row of `rows`.
    """
    import pandas as pd

    # If pyarrow is installed, pandas would use it to store text; it rejects file names that are not UTF-8.
    text = pd.StringDtype("python", na_value=math.nan)
    frame = pd.DataFrame(rows, columns=["path", "label", "split"], dtype=text)
    frame = frame.assign(**{name: list(values) for name, values in (columns or {}).items()})
    frame = frame.sort_values("path", ignore_index=True)
    classes = tuple(sorted(frame["label"].unique()))
    dataset = Dataset(root, frame, classes, tuple(problems), source, summary=summary)
    return replace(dataset, problems=(*problems, *find_one_split_classes(dataset)))


def find_one_split_classes(dataset: Dataset) -> Iterator[Problem]:
    """Find classes with images in only one of train and validation."""
    if not {"train", "validation"} <= set(dataset.splits):
        return
    train, validation = (set(dataset.split(name)["label"]) for name in ("train", "validation"))
    for name in sorted(train ^ validation):
        here, there = ("train", "validation") if name in train else ("validation", "train")
        yield Problem(
            "class_in_one_split",
            f"class '{name}' has images in {here} and none in {there}, so its metrics are meaningless; add images, "
            "remove the class, or rename it with --classes",
            tuple(dataset.frame.query("split == @here and label == @name")["path"]),
        )


def class_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Count the images of every class in every split.

    Args:
        frame: one row per image, columns `path`, `label`, `split`.

    Returns:
        A row per class in alphabetical order, a column per split in the order train, validation, test. The count of a
        class that a split lacks is 0.

    Raises:
        DatasetError: the frame is empty.
    """
    import pandas as pd

    if frame.empty:
        raise DatasetError("no images were found: expected ROOT/<split>/<class>/*.jpg")
    counts = pd.crosstab(frame["label"], frame["split"])
    return counts[[split for split in (*SPLITS, UNSPLIT) if split in counts.columns]]


def counts_by_split(frame: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return `class_counts` as a dict: split -> class -> number of images."""
    counts = class_counts(frame)
    return {str(split): {str(name): int(count) for name, count in column.items()} for split, column in counts.items()}


class HashedSource:
    """A source that stores the hash of each content that it reads, so that it need not read an image twice."""

    def __init__(self, source: ImageSource) -> None:
        """Create a source that reads from `source`."""
        self._source = source
        # The reason as text if a content can't be read. Bytes need half of the memory of hexadecimal text.
        self._digests: dict[str, bytes | str] = {}

    def content(self, path: str) -> bytes:
        """See ImageSource."""
        try:
            content = self._source.content(path)
        except ImageError as error:
            self._digests[path] = f"unreadable: {error}"
            raise
        self._digests[path] = hashlib.sha256(content).digest()
        return content

    def decode(self, content: bytes) -> Image.Image:
        """See ImageSource."""
        return self._source.decode(content)

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a content, or the reason why it can't be read. Read the content only if necessary."""
        if path not in self._digests:
            with contextlib.suppress(ImageError):
                self.content(path)
        found = self._digests[path]
        return found.hex() if isinstance(found, bytes) else found


def fingerprint(dataset: Dataset) -> str:
    """Return the SHA-256 of every image's content, label, split and votes. File names and folders do not affect it.

    Two data sets with the same fingerprint train and validate on the same images. A HashedSource does not read its
    images a second time.
    """
    source = dataset.source if isinstance(dataset.source, HashedSource) else HashedSource(dataset.source)

    frame = dataset.frame
    digests = images.map_in_threads(source.digest, frame["path"].tolist())
    lines = [f"{s}\t{label}\t{d}" for s, label, d in zip(frame["split"], frame["label"], digests, strict=True)]
    if "votes" in frame:
        lines = [f"{line}\t{votes}" for line, votes in zip(lines, frame["votes"], strict=True)]
    lines.sort()
    total, separator = hashlib.sha256(), ""
    for line in lines:
        total.update(f"{separator}{line}".encode(errors="surrogateescape"))
        separator = "\n"
    return total.hexdigest()
