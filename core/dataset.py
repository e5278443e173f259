"""From a folder of faces, or fer2013.csv, to one pandas frame: path, label, split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core import files, images
from core.config import IMAGE_MEMORY
from core.errors import DatasetError
from core.frames import pandas
from core.images import ImageError
from core.pixel_store import PixelStore

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

SPLITS = ("train", "validation", "test")
UNSPLIT = "all"
SPLIT_ALIASES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}
# One split for every seed, so that runs with different seeds are measured on the same images.
_HOLD_OUT_SEED = 0


@dataclass(frozen=True)
class Problem:
    """Something wrong with a data set.

    Attributes:
        kind: a code such as `undecodable` or `foreign_file`.
        message: one line that says what it is and what to do.
        paths: the images or files that it is about, relative to the data set's root.
    """

    kind: str
    message: str
    paths: tuple[str, ...] = ()


def counted(number: int, noun: str) -> str:
    """A number of things as people write it."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


class Source(Protocol):
    """Where the images of a frame come from."""

    def content(self, path: str) -> bytes:
        """What the fingerprint is made of: the file's bytes, or the row's pixels."""
        ...

    def image(self, path: str) -> Image.Image:
        """The decoded image, mode L or RGB; ImageError where it can't be read."""
        ...


@dataclass(frozen=True)
class FolderSource:
    """Images in files below a folder."""

    root: Path

    def content(self, path: str) -> bytes:
        """The file's bytes."""
        try:
            return files.read_bytes(self.root / path)
        except OSError as error:
            raise ImageError(error.strerror or str(error)) from None

    def image(self, path: str) -> Image.Image:
        """The decoded file."""
        return images.open_image(self.content(path))


@dataclass(frozen=True)
class Dataset:
    """A data set as it was read.

    Attributes:
        root: the folder or CSV file.
        frame: columns `path` (relative to root), `label`, `split`, sorted by path.
        classes: every class name, in alphabetical order.
        problems: what reading met.
        source: gives the images of `frame`.
    """

    root: Path
    frame: pd.DataFrame
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    source: Source

    def split(self, name: str) -> pd.DataFrame:
        """The rows of one split."""
        return self.frame[self.frame["split"] == name].reset_index(drop=True)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have images, in the order train, validation, test."""
        return tuple(name for name in (*SPLITS, UNSPLIT) if (self.frame["split"] == name).any())


def read_dataset(root: Path) -> Dataset:
    """Read a data set: ROOT/<split>/<class>/*, ROOT/images/<split>/..., ROOT/<class>/*, or fer2013.csv.

    Only names are looked at; images are decoded later. Hidden and foreign files and empty classes become
    problems, never guesses.

    Raises:
        DatasetError: there is no such place, or no image in it.
    """
    from core import image_tree
    from core.fer2013_csv import read_csv

    root = Path(root)
    try:
        if root.is_file():
            return read_csv(root)
        if not root.is_dir():
            raise DatasetError(f"{root}: no such folder; give the folder of faces, or a fer2013.csv")
        csv = root / "fer2013.csv"
        dataset = read_csv(csv) if csv.is_file() else image_tree.read(root)
    except OSError as error:
        raise DatasetError(f"{error.filename or root}: {error.strerror}; the data set must be readable") from None
    return dataset


def make_dataset(root: Path, rows: list[tuple[str, str, str]], problems: list[Problem], source: Source) -> Dataset:
    """A Dataset of (path, label, split) rows, with the problems that its splits and classes have."""
    frame = pandas().DataFrame(rows, columns=["path", "label", "split"]).sort_values("path", ignore_index=True)
    classes = tuple(sorted(frame["label"].unique()))
    dataset = Dataset(root, frame, classes, tuple(problems), source)
    return replace(dataset, problems=(*problems, *_one_split_classes(dataset)))


def _one_split_classes(dataset: Dataset) -> Iterator[Problem]:
    """Classes that one split has and another, of those that training looks at, lacks."""
    if not {"train", "validation"} <= set(dataset.splits):
        return
    train, validation = (set(dataset.split(name)["label"]) for name in ("train", "validation"))
    for name in sorted(train ^ validation):
        here, there = ("train", "validation") if name in train else ("validation", "train")
        yield Problem(
            "class_in_one_split",
            f"class '{name}' has images in {here} and none in {there}; its figures mean nothing: add some, or "
            "leave the class out",
            tuple(dataset.frame.query("split == @here and label == @name")["path"]),
        )


def class_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Count the images of every class in every split.

    Args:
        frame: one row an image, columns `path`, `label`, `split`.

    Returns:
        Classes in alphabetical order by splits in the order train, validation, test; a class that a split
        lacks counts 0.

    Raises:
        DatasetError: the frame is empty.
    """
    if frame.empty:
        raise DatasetError("no images were found: expected ROOT/<split>/<class>/*.jpg")
    counts = pandas().crosstab(frame["label"], frame["split"])
    return counts[[split for split in (*SPLITS, UNSPLIT) if split in counts.columns]]


def counts_by_split(frame: pd.DataFrame) -> dict[str, dict[str, int]]:
    """`class_counts` as plain numbers: split -> class -> images."""
    counts = class_counts(frame)
    return {str(split): {str(name): int(count) for name, count in column.items()} for split, column in counts.items()}


def for_training(dataset: Dataset, validation_share: float) -> Dataset:
    """The data set with a train and a validation split, one held out of the other where it has to be.

    The held-out images are drawn evenly from every class, the same ones at every call, and the user is told
    by a problem of kind `held_out`.

    Raises:
        DatasetError: there is nothing to train on, fewer than two classes, or too few images to hold any out.
    """
    frame = dataset.frame.assign(split=dataset.frame["split"].replace(UNSPLIT, "train"))
    train = frame[frame["split"] == "train"]
    if train.empty:
        raise DatasetError(f"{dataset.root}: no training images; expected {dataset.root}/train/<class>/*.jpg")
    if train["label"].nunique() < 2:
        raise DatasetError(
            f"{dataset.root}: one class only ('{train['label'].iloc[0]}') in train; training needs two or more"
        )
    if (frame["split"] == "validation").any():
        return replace(dataset, frame=frame)
    held_out: list[int] = []
    for rows in _shuffled_by_class(train):
        # A class of one image stays in train: without it the class could not be learnt at all.
        held_out += rows[: min(max(round(len(rows) * validation_share), 1), len(rows) - 1)]
    if not held_out:
        raise DatasetError(f"{dataset.root}: too few images to hold a validation split out of train")
    frame.loc[held_out, "split"] = "validation"
    note = Problem(
        "held_out",
        f"no validation split: {len(held_out):,} of {len(train):,} training images are held out for it, "
        "evenly by class",
    )
    divided = replace(dataset, frame=frame)
    return replace(divided, problems=(*dataset.problems, note, *_one_split_classes(divided)))


def _shuffled_by_class(train: pd.DataFrame) -> Iterator[list[int]]:
    """The rows of every class by their index, in an order that is the same at every call."""
    rng = np.random.default_rng(_HOLD_OUT_SEED)
    for _, rows in train.groupby("label", sort=True):
        yield rng.permutation(rows.index.to_numpy()).tolist()


def folded(dataset: Dataset, fold: int, folds: int) -> Dataset:
    """One of several parts of train as validation, the others as train; what else the data set has is left out.

    Every training image is in one part, a class's images evenly in all of them.

    Args:
        dataset: as it was read.
        fold: which part, counted from 1.
        folds: how many there are.

    Raises:
        DatasetError: there is nothing to train on, fewer than two classes, or too few images.
    """
    frame = dataset.frame.assign(split=dataset.frame["split"].replace(UNSPLIT, "train"))
    train = frame[frame["split"] == "train"].reset_index(drop=True)
    held_out = [row for rows in _shuffled_by_class(train) for row in rows[fold - 1 :: folds]]
    train.loc[held_out, "split"] = "validation"
    note = Problem("held_out", f"part {fold} of {folds}: {len(held_out):,} of {len(train):,} training images")
    return for_training(replace(dataset, frame=train, problems=(*dataset.problems, note)), 0.5)


def limited(frame: pd.DataFrame, limit: int | None, seed: int) -> pd.DataFrame:
    """At most `limit` rows, drawn evenly: every class keeps its share, and at least one image."""
    if limit is None or limit >= len(frame):
        return frame
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frame))
    rank = frame.iloc[order].groupby("label").cumcount()
    share = rank / frame.groupby("label")["path"].transform("size").iloc[order]
    chosen = share.sort_values(kind="stable").index[: max(limit, frame["label"].nunique())]
    return frame.loc[sorted(chosen)].reset_index(drop=True)


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over every image's content, label and split, whatever its name and place.

    Two data sets with the same fingerprint train and validate on the same images.
    """

    def digest(path: str) -> str:
        try:
            return hashlib.sha256(dataset.source.content(path)).hexdigest()
        except ImageError as error:
            return f"unreadable: {error}"

    frame = dataset.frame
    digests = images.in_threads(digest, frame["path"].tolist())
    lines = sorted(f"{s}\t{label}\t{d}" for s, label, d in zip(frame["split"], frame["label"], digests, strict=True))
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


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
        memory: MiB that the pixels may take; more of them are kept in a file (see `core.pixel_store`).

    Raises:
        DatasetError: none of them can be decoded, or there is no room for the file.
    """

    def decode(path: str) -> Image.Image | ImageError:
        try:
            image = dataset.source.image(path)
        except ImageError as error:
            return error
        return images.fit(image, size) if max(image.size) > size else image

    def fill(store: PixelStore | None) -> Pixels | tuple[int, int, int]:
        """The pixels; or the shape that they must have instead, where an image does not fit into the store."""
        kept: list[int] = []
        broken: list[tuple[str, str]] = []
        for row, (path, image) in enumerate(
            zip(frame["path"], images.in_threads(decode, frame["path"].tolist()), strict=True)
        ):
            if isinstance(image, ImageError):
                broken.append((path, str(image)))
            else:
                needed = images.shape(image, channels)
                if store is None:
                    store = PixelStore(len(frame), needed, memory)
                elif needed[:2] != store.shape[:2] != (size, size):
                    return size, size, max(needed[2], store.shape[2])
                elif needed[2] > store.shape[2]:
                    return *store.shape[:2], needed[2]
                fitted = image if needed[:2] == store.shape[:2] else images.fit(image, size)
                store.append(images.to_pixels(fitted, store.shape[2]))
                kept.append(row)
            if row % 512 == 0 and stopped():
                break
        if store is None or not kept:
            raise DatasetError(
                f"{dataset.root}: none of its {len(frame):,} images can be read; 'fer-tui data check' names them"
            )
        return Pixels(store.values(), frame.iloc[kept].reset_index(drop=True), undecodable(broken))

    found = fill(None)
    while not isinstance(found, Pixels):
        found = fill(PixelStore(len(frame), found, memory))
    return found


def undecodable(broken: list[tuple[str, str]]) -> tuple[Problem, ...]:
    """The problem that images could not be read, with each one's reason; none where all could."""
    if not broken:
        return ()
    named = "; ".join(f"{path}: {reason}" for path, reason in broken[:3])
    more = f"; and {len(broken) - 3:,} more" if len(broken) > 3 else ""
    return (
        Problem(
            "undecodable",
            f"{counted(len(broken), 'image')} can't be read and will be skipped: {named}{more}",
            tuple(p for p, _ in broken),
        ),
    )
