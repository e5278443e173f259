"""The reader of FER+, which adds the votes of ten annotators to the images of FER2013.

The rules are those of Barsoum, Zhang, Canton Ferrer and Zhang 2016, Training Deep Networks for Facial Expression
Recognition with Crowd-Sourced Label Distribution, arXiv:1608.01041, as in Microsoft's code (github.com/microsoft/
FERPlus, src/ferplus.py): `majority` is its training mode "majority", `soft` its mode "crossentropy".
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.data.csv_rows import column_names, read_csv_columns, read_csv_rows
from core.data.dataset import UNSPLIT, Dataset, ImageSource, Problem, make_dataset
from core.data.images import IMAGE_SUFFIXES
from core.data.left_out import describe_rows
from core.data.readers.base import Reader, ReadOptions
from core.data.readers.fer2013_csv import FILES, VOTES_FILE, broken_rows, find_file, read_csv_images, read_usage
from core.data.readers.image_tree import FolderSource
from core.data.split_names import assign_splits, known_split
from core.data.votes import map_votes
from core.errors import DatasetError, pluralize

EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
COLUMNS = (*EMOTIONS, "unknown", "NF")
# The list of votes in each folder of images that Microsoft's generator writes.
LIST_FILE = "label.csv"

_VOTE_COLUMNS = {name.casefold() for name in COLUMNS}
_FOLDERS = "FER2013Train, FER2013Valid and FER2013Test"
_SAME_ROWS = "the files must have the same images in the same order"
# What is left out, in the order of the summary.
_DISAGREEMENT = "whose votes disagree"
_UNKNOWN = "of an unknown emotion"
_NO_FACE = "without a face (NF)"
_NO_FILE = "not in the folder"
_NO_VOTES = "without votes"
_REASONS = (_DISAGREEMENT, _UNKNOWN, _NO_FACE, _NO_FILE, _NO_VOTES)


def count_majority(votes: Sequence[int]) -> list[int]:
    """Return only the votes of the majority, or [] if there is none.

    Single votes are outliers and don't count. A majority is more than half of the other votes.

    Args:
        votes: the number of votes, in the order of COLUMNS.
    """
    counts = _without_outliers(votes)
    most = max(counts)
    if 2 * most <= sum(counts):
        return []
    return [most if count == most else 0 for count in counts]


def count_agreed(votes: Sequence[int]) -> list[int]:
    """Return the votes of the most voted columns, or [] if the annotators disagree.

    Single votes are outliers and don't count. Columns are taken by their votes, those with the same votes together,
    until they have three quarters of the votes, or are three, or one of them is unknown or NF. Unknown and NF are
    dropped again if they are not the first. The columns that were taken must be three at most, and must have more than
    half of the votes.

    Args:
        votes: the number of votes, in the order of COLUMNS.
    """
    left = _without_outliers(votes)
    total = sum(left)
    taken = [0] * len(left)
    seen = number = 0
    can_continue = True
    while can_continue and 4 * seen < 3 * total and number < 3:
        most = max(left)
        for column in [column for column, count in enumerate(left) if count == most]:
            taken[column], left[column] = most, 0
            seen += most
            number += 1
            if column >= len(EMOTIONS):
                can_continue = False
                if sum(taken) > most:
                    taken[column] = 0
                    number -= 1
                break
    return taken if 2 * sum(taken) > total and number <= 3 else []


def _without_outliers(votes: Sequence[int]) -> list[int]:
    return [count if count > 1 else 0 for count in votes]


@dataclass
class _Labels:
    """The labels that the votes give.

    Attributes:
        soft: whether training images get the shares of the votes. Validation and test images have a majority, so that
            runs with majority and soft are validated on the same images.
        rows: path, label and split of every image.
        votes: the counted votes of every image, in the order of EMOTIONS.
        left_out: the number of images that are left out, by reason.
        broken: names of broken rows, each with the reason.
    """

    soft: bool
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    votes: list[list[int]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[str, str]] = field(default_factory=list)

    def add(self, path: str, split: str, votes: Sequence[int]) -> None:
        """Add an image, or count it as left out."""
        is_training = split in ("train", UNSPLIT)
        counts = count_agreed(votes) if self.soft and is_training else count_majority(votes)
        column = counts.index(max(counts)) if counts else -1
        if not counts:
            self.left_out[_DISAGREEMENT] += 1
        elif column >= len(EMOTIONS):
            self.left_out[_NO_FACE if COLUMNS[column] == "NF" else _UNKNOWN] += 1
        else:
            self.rows.append((path, EMOTIONS[column], split))
            self.votes.append(counts[: len(EMOTIONS)])

    def dataset(self, root: Path, source: ImageSource, taken: str, problems: Sequence[Problem] = ()) -> Dataset:
        """Return the data set.

        Args:
            root: the folder or file of the images.
            source: reads the images.
            taken: the file of the votes, for the summary.
            problems: the problems found so far.
        """
        left_out = [f"{pluralize(self.left_out[why], 'image')} {why}" for why in _REASONS if self.left_out[why]]
        if self.broken:
            left_out.append(pluralize(len(self.broken), "broken row"))
            problems = [*problems, broken_rows(self.broken)]
        left_out_text = f"; left out: {', '.join(left_out)}" if left_out else ""
        if not self.rows:
            raise DatasetError(f"{root}: no image with a label{left_out_text}")
        classes = sorted({label for _, label, _ in self.rows})
        columns = {"votes": map_votes(self.votes, EMOTIONS, classes)} if self.soft else {}
        rule = "shares" if self.soft else "majority"
        summary = f"{describe_rows(self.rows)}; labels: {rule} of the votes in {taken}{left_out_text}"
        return make_dataset(root, self.rows, problems, source, summary=summary, columns=columns)


def read_ferplus(root: Path, options: ReadOptions) -> Dataset:
    """Read fer2013new.csv with the images of fer2013.csv, or the folders of Microsoft's generator.

    Raises:
        DatasetError: a file is missing or has another form, the files don't fit, or no image has a label.
    """
    labels = _Labels(options.votes == "soft")
    votes, images = _find_csv_files(root)
    if votes and images:
        return _read_csv_files(votes, images, labels, options.decoding)
    if folders := _find_folders(root):
        return _read_folders(root, folders, labels, options.decoding)
    if votes:
        raise DatasetError(f"{votes}: this file has votes but no images; put {FILES[0]} beside it")
    raise DatasetError(f"{root}: no votes of FER+; expected {VOTES_FILE} beside {FILES[0]}, or {_FOLDERS}")


def _can_read(root: Path) -> bool:
    if root.is_file():
        return _VOTE_COLUMNS.issubset(read_csv_columns(root))
    if not root.is_dir():
        return False
    votes, images = _find_csv_files(root)
    if votes and (images or not any(entry.is_dir() for entry in root.iterdir())):
        return True
    return bool(_find_folders(root))


def _find_csv_files(root: Path) -> tuple[Path | None, Path | None]:
    """Return the file of votes and the file of images. Either may be given, or the folder of both."""
    if root.is_dir():
        votes = find_file(root, VOTES_FILE)
        images = next((file for name in FILES[:2] if (file := find_file(root, name))), None) if votes else None
        return votes, images
    if _VOTE_COLUMNS.issubset(read_csv_columns(root)):
        return root, next((file for name in FILES[:2] if (file := find_file(root.parent, name))), None)
    return find_file(root.parent, VOTES_FILE), root


def _find_folders(root: Path) -> dict[str, str]:
    """Return the folders with a list of votes, in the root or in its folder `data`: split to path below the root."""
    if not root.is_dir():
        return {}
    if _has_votes(root):
        return {UNSPLIT: ""}
    for base in ("", "data"):
        folder = root / base
        names = _list_names(folder, folders_only=True) if folder.is_dir() else ()
        bare = {re.sub(r"fer(2013|plus)?(new)?", "", name, flags=re.IGNORECASE): name for name in names}
        found = {short: name for short, name in bare.items() if known_split(short) and _has_votes(folder / name)}
        if found:
            splits = assign_splits(found, str(folder))
            return {split: f"{base}/{found[short]}".strip("/") for split, short in splits.items()}
    return {}


def _list_names(folder: Path, *, folders_only: bool = False) -> set[str]:
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if not folders_only or _is_folder(entry)}


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that points to itself.
        return False


def _has_votes(folder: Path) -> bool:
    """Return whether a folder has a list of votes: rows of an image's name, perhaps a box, and ten numbers."""
    path = folder / LIST_FILE
    if not path.is_file():
        return False
    try:
        return any(_parse_list_row(cells) for _, (_, cells) in zip(range(2), read_csv_rows(path), strict=False))
    except DatasetError:
        return False


def _parse_list_row(cells: Sequence[str]) -> tuple[str, list[int]] | None:
    """Return the image's name and the votes of a row of LIST_FILE; None if the row has another form."""
    if len(cells) - len(COLUMNS) not in (1, 2):
        return None
    try:
        return cells[0].strip(), _parse_votes(cells[-len(COLUMNS) :])
    except ValueError:
        return None


def _parse_votes(cells: Sequence[str]) -> list[int]:
    """Return the numbers of votes. Raise ValueError if one is not a number such as 3 or 3.0."""
    votes = []
    for cell in cells:
        number = re.fullmatch(r"\s*(\d{1,6})(?:\.0*)?\s*", cell)
        if number is None:
            raise ValueError(f"votes are {cell[:20]!r}, not a whole number")
        votes.append(int(number[1]))
    return votes


def _read_folders(root: Path, folders: dict[str, str], labels: _Labels, decoding: int) -> Dataset:
    missing: list[str] = []
    for split, folder in folders.items():
        there = _list_names(root / folder)
        listed: set[str] = set()
        for number, (line, cells) in enumerate(read_csv_rows(root / folder / LIST_FILE)):
            row = _parse_list_row(cells)
            if row is None:
                # The first row may be a header.
                if number:
                    name = f"{folder}/{LIST_FILE}#{line:05d}".strip("/")
                    labels.broken.append((name, f"expected an image's name and {len(COLUMNS)} numbers of votes"))
                continue
            name, votes = row
            path = f"{folder}/{name}".strip("/")
            if name in listed:
                labels.broken.append((path, f"{LIST_FILE} lists it twice"))
            elif name in there:
                labels.add(path, split, votes)
            else:
                missing.append(path)
            listed.add(name)
        labels.left_out[_NO_VOTES] += sum(name.lower().endswith(IMAGE_SUFFIXES) for name in there - listed)
    labels.left_out[_NO_FILE] = len(missing)
    problems = []
    if missing:
        if not labels.rows:
            raise DatasetError(
                f"{root}: the images are missing, such as {missing[0]}; FER+'s generator makes them from {FILES[0]}"
            )
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        message = f"images that {LIST_FILE} lists are missing: {missing[0]}{more}; restore them"
        problems.append(Problem("label_list", message, tuple(missing)))
    return labels.dataset(root, FolderSource(root, decoding), LIST_FILE, problems)


def _read_csv_files(votes_file: Path, images_file: Path, labels: _Labels, decoding: int) -> Dataset:
    images = read_csv_images(images_file, decoding)
    votes = list(_read_votes(votes_file))
    if len(votes) != images.count:
        raise DatasetError(
            f"{votes_file}: {pluralize(len(votes), 'row')}, but {images_file.name} has {images.count:,}; {_SAME_ROWS}"
        )
    labels.broken += images.broken
    for (path, _, image_split), number in zip(images.rows, images.numbers, strict=True):
        name, split, image, cells = votes[number]
        if image_split not in (split, UNSPLIT):
            raise DatasetError(f"{votes_file}: the Usage of {name} is not that of {path} ({image_split}); {_SAME_ROWS}")
        try:
            counts = _parse_votes(cells)
        except ValueError as error:
            labels.broken.append((name, str(error)))
            continue
        if image:
            labels.add(path, split, counts)
        else:
            # Microsoft's generator leaves out images without a name.
            labels.left_out[_NO_FACE] += 1
    taken = f"{votes_file.name}; --format fer2013 reads the labels of {images_file.name} instead"
    return labels.dataset(images_file, images.source, taken)


def _read_votes(path: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield for each row: its name, such as fer2013new.csv#00002, its split, its image's name, and the cells of votes.

    Raises:
        DatasetError: a column is missing, or a row has too few cells or another Usage.
    """
    lines = read_csv_rows(path)
    header = column_names(next(lines, (0, []))[1])
    wanted = ["Usage", "Image name", *COLUMNS]
    if missing := [name for name in wanted if name.casefold() not in header]:
        raise DatasetError(f"{path}: no column {', '.join(missing)}; expected {','.join(wanted)}")
    usage, image, *columns = (header.index(name.casefold()) for name in wanted)
    for line, cells in lines:
        name = f"{path.name}#{line:05d}"
        if len(cells) != len(header):
            raise DatasetError(f"{path}: {name} has {len(cells)} cells, not {len(header)}; restore the file")
        try:
            split = read_usage(cells[usage], decoding=2)
        except ValueError as error:
            raise DatasetError(f"{path}: {name}: {error}; restore the file") from None
        yield name, split, cells[image].strip(), [cells[column] for column in columns]


READER = Reader(
    "ferplus",
    f"FER+: {VOTES_FILE} beside {FILES[0]}, or {_FOLDERS}, each with {LIST_FILE}",
    _can_read,
    read_ferplus,
)
