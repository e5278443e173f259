"""Find problems in a data set. Each message says what is wrong and what to do. `core.runs.run_audit` audits runs."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.config.training_config import TrainingConfig
from core.data import images
from core.data.dataset import UNSPLIT, Dataset, Problem
from core.data.images import ImageError
from core.data.pixels import undecodable_problems
from core.data.splits import with_validation_split
from core.errors import DatasetError, pluralize

if TYPE_CHECKING:
    from PIL import Image

BLANK_DEVIATION = 1.0
IMBALANCE = 5.0
# Enough for two different images never to have the same hash by chance.
_HASH_BYTES = 16


def audit_dataset(dataset: Dataset, progress: Callable[[int], None] = lambda done: None) -> list[Problem]:
    """Decode every image once and find problems that would harm training or its metrics.

    Args:
        dataset: a data set from `read_dataset`.
        progress: called with the number of decoded images.

    Returns:
        The problems from reading, then what would stop a training, undecodable images, blank images, images of an odd
        size, exact-pixel duplicates within a split, across splits and under different labels, and imbalance.
    """
    seen = inspect_images(dataset, progress)
    return [
        *dataset.problems,
        *_obstacle(dataset, {path for path, _ in seen.undecodable}),
        *undecodable_problems(seen.undecodable),
        *_blank(seen.blank),
        *_odd_sizes(seen.sizes),
        *_duplicates(dataset, seen.same_pixels),
        *_imbalance(dataset),
    ]


@dataclass(frozen=True)
class Inspection:
    """What decoding every image of a data set shows.

    Attributes:
        undecodable: path and reason of the images that can't be decoded.
        blank: the paths of images whose pixels have the same value.
        sizes: the paths of the images of each width and height.
        same_pixels: groups of two or more rows of the frame whose images have the same pixels.
    """

    undecodable: list[tuple[str, str]]
    blank: list[str]
    sizes: Mapping[tuple[int, int], list[str]]
    same_pixels: list[list[int]]


def inspect_images(dataset: Dataset, progress: Callable[[int], None] = lambda done: None) -> Inspection:
    """Decode every image once.

    Args:
        dataset: a data set.
        progress: called with the number of decoded images.
    """

    def inspect_image(path: str) -> tuple[bytes, tuple[int, int], bool] | ImageError:
        try:
            image = dataset.image(path)
        except ImageError as error:
            return error
        return _pixel_hash(image), image.size, _is_blank(image)

    paths = dataset.frame["path"].tolist()
    broken: list[tuple[str, str]] = []
    sizes: dict[tuple[int, int], list[str]] = defaultdict(list)
    blank: list[str] = []
    # An array needs a tenth of the memory of a dict of bytes.
    hashes = np.zeros(len(paths), f"S{_HASH_BYTES}")
    for row, (path, seen) in enumerate(zip(paths, images.map_in_threads(inspect_image, paths), strict=True)):
        progress(row + 1)
        if isinstance(seen, ImageError):
            # Its hash stays empty.
            broken.append((path, str(seen)))
            continue
        hashes[row], size, is_blank = seen
        sizes[size].append(path)
        if is_blank:
            blank.append(path)
    return Inspection(broken, blank, sizes, _group_equal(hashes))


def _obstacle(dataset: Dataset, broken: set[str]) -> Iterator[Problem]:
    """Find why `train` would refuse the data set, whose images in `broken` can't be decoded.

    The checks are those of `core.data.training_data.load_training_data`, in its order.
    """
    root = dataset.root
    try:
        frame = with_validation_split(dataset, TrainingConfig.model_fields["validation_share"].default).frame
    except DatasetError as error:
        classes = dataset.frame[dataset.frame["split"].isin(["train", UNSPLIT])]["label"].nunique()
        yield Problem({0: "no_training_images", 1: "one_class"}.get(classes, "too_few_images"), str(error))
        return
    readable = ~frame["path"].isin(broken)
    trained = set(frame[readable & (frame["split"] == "train")]["label"])
    evaluated = (frame["split"] == "validation") & frame["label"].isin(trained)
    if not trained:
        yield Problem("no_training_images", f"{root}: no training image can be read; replace them")
    elif len(trained) == 1:
        yield Problem(
            "one_class",
            f"{root}: only '{min(trained)}' has training images that can be read; replace the others, or add images",
        )
    elif not evaluated.any():
        yield Problem(
            "class_in_one_split",
            "no validation image has a class that train has; give the classes the same names in both splits",
        )
    elif not (readable & evaluated).any():
        yield Problem("no_validation_images", f"{root}: no validation image can be read; replace them")


def _pixel_hash(image: Image.Image) -> bytes:
    """Return a hash of the decoded pixels and their shape. It does not depend on the file format."""
    content = repr((image.size, image.mode)).encode() + image.tobytes()
    return hashlib.blake2b(content, digest_size=_HASH_BYTES).digest()


def _group_equal(hashes: np.ndarray) -> list[list[int]]:
    """Return the rows of every hash that several images have, in the order of their first rows."""
    _, number, count = np.unique(hashes, return_inverse=True, return_counts=True)
    groups: dict[int, list[int]] = {}
    for row in np.flatnonzero((count[number] > 1) & (hashes != b"")).tolist():
        groups.setdefault(int(number[row]), []).append(row)
    return list(groups.values())


def _is_blank(image: Image.Image) -> bool:
    return bool(np.asarray(image.convert("L")).std() < BLANK_DEVIATION)


def _blank(paths: list[str]) -> Iterator[Problem]:
    if paths:
        yield Problem(
            "blank",
            f"{pluralize(len(paths), 'blank image')} (standard deviation below 1); remove: {paths[0]}",
            tuple(paths),
        )


def _odd_sizes(sizes: Mapping[tuple[int, int], list[str]]) -> Iterator[Problem]:
    """Find images whose size is not the most common one."""
    if len(sizes) < 2:
        return
    usual = max(sizes, key=lambda size: len(sizes[size]))
    odd = sorted(path for size, paths in sizes.items() if size != usual for path in paths)
    yield Problem(
        "odd_size",
        f"{pluralize(len(odd), 'image')} not of the most common size {usual[0]} x {usual[1]} pixels, such as {odd[0]}; "
        "nothing to do: training resizes them",
        tuple(odd),
    )


def _duplicates(dataset: Dataset, groups: list[list[int]]) -> Iterator[Problem]:
    """Find exact-pixel duplicates. A group of duplicates may have problems of several kinds."""
    frame = dataset.frame
    path, label, split = (frame[column].tolist() for column in ("path", "label", "split"))
    within: list[str] = []
    across: list[str] = []
    conflicting: list[str] = []
    for rows in groups:
        per_split = Counter(split[row] for row in rows)
        within += [path[row] for row in rows if per_split[split[row]] > 1]
        if len(per_split) > 1:
            # Report the evaluation images: the leak affects their metrics.
            across += [path[row] for row in rows if split[row] != "train"]
        if len({label[row] for row in rows}) > 1:
            conflicting += [path[row] for row in rows]
    if within:
        yield Problem(
            "duplicate",
            f"{pluralize(len(within), 'image')} with the same pixels as another image of the same split; they count "
            "more than once: keep one of each",
            tuple(within),
        )
    if across:
        yield Problem(
            "duplicate_across_splits",
            f"{pluralize(len(across), 'evaluation image')} with the same pixels as an image of another split: the "
            "accuracy is too high if the model was trained on them; remove them from one split",
            tuple(across),
        )
    if conflicting:
        yield Problem(
            "conflicting_labels",
            f"{pluralize(len(conflicting), 'image')} whose exact pixels also have another label; at most one label is "
            "correct: keep that one",
            tuple(conflicting),
        )


def _imbalance(dataset: Dataset) -> Iterator[Problem]:
    """Find splits whose most common class has over IMBALANCE times the images of the rarest."""
    for name in dataset.splits:
        counts = dataset.split(name)["label"].value_counts()
        most, least = counts.index[0], counts.index[-1]
        if counts[most] > IMBALANCE * counts[least]:
            yield Problem(
                "imbalance",
                f"{name}: '{most}' has {counts[most] / counts[least]:.1f} times the images of '{least}' "
                f"({counts[most]:,} and {counts[least]:,}); check balanced accuracy and macro F1 too",
            )
