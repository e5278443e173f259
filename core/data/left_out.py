"""What a reader leaves out of a data set: the problems, and the line that sums them up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.data.dataset import SPLITS, Problem
from core.errors import pluralize


class _Kind(NamedTuple):
    """How to report one kind of what is left out.

    Attributes:
        problem: the kind of the problem.
        one: what one of them is, for the summary.
        many: the plural of `one`.
        what: the beginning of the message.
        remedy: the end of the message.
        named: how many of them the message names.
    """

    problem: str
    one: str
    many: str
    what: str
    remedy: str
    named: int = 1


_IMAGE, _IMAGES = "image outside the classes", "images outside the classes"
_KINDS = {
    "hidden_file": _Kind("hidden_file", "hidden file", "hidden files", "skipped hidden files", "nothing to do"),
    "foreign_file": _Kind(
        "foreign_file",
        "other file or folder",
        "other files and folders",
        "skipped files and folders outside the classes",
        "nothing to do, unless they belong into a class",
    ),
    "empty_class": _Kind(
        "empty_class",
        "folder without images",
        "folders without images",
        "folders without images are not classes",
        "add images, or remove them",
    ),
    "unread_format": _Kind(
        "unread_format",
        "file in a format that is not read",
        "files in formats that are not read",
        "images in formats that are not read are left out",
        "convert them to JPEG or PNG",
    ),
    "archive": _Kind(
        "archive", "archive", "archives", "skipped archives", "unpack them if their images belong to the data set"
    ),
    "label_list": _Kind(
        "label_list",
        "label list",
        "label lists",
        "lists of labels are not read, because the folders' names are the labels",
        "remove them if the folders are correct",
    ),
    "looks_like_a_split": _Kind(
        "looks_like_a_split",
        "image in folders that look like splits",
        "images in folders that look like splits",
        "folders that look like splits are left out",
        "name them train, validation or test",
    ),
    "no_class": _Kind(
        "not_classes",
        _IMAGE,
        _IMAGES,
        "images in no class folder are left out",
        "put them into the folders of their classes",
    ),
    "beside_splits": _Kind(
        "not_classes",
        _IMAGE,
        _IMAGES,
        "folders with images beside the splits are left out",
        "move them into a split if they belong to the data set",
    ),
    "no_label": _Kind(
        "foreign_file",
        "image without a label",
        "images without a label",
        "images without a label are left out",
        "nothing to do, unless they belong to a class",
    ),
    "broken_row": _Kind("broken_row", "broken row", "broken rows", "skipped broken rows", "correct or remove them"),
    "missing_file": _Kind(
        "missing_file",
        "missing file",
        "missing files",
        "skipped rows whose image files are missing",
        "restore the files, or remove the rows",
        named=3,
    ),
}
# The kinds of problems whose paths are left out of the data set.
LEFT_OUT_KINDS = frozenset(kind.problem for kind in _KINDS.values())


@dataclass
class LeftOut:
    """The files and folders that are left out, by kind."""

    _found: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)

    def add(self, kind: str, path: str, count: int = 1, *, reason: str = "") -> None:
        """Add a file, or a folder of `count` images, relative to the data set's root."""
        self._found.setdefault(kind, []).append((path, count, reason))

    def first(self, kind: str) -> str | None:
        """Return the first path of a kind; None if there is none."""
        return self._found[kind][0][0] if kind in self._found else None

    def count(self, kind: str) -> int:
        """Return the number of files or images of a kind."""
        return sum(number for _, number, _ in self._found.get(kind, ()))

    def problems(self) -> list[Problem]:
        """Return a problem for each kind."""
        problems = []
        for kind, found in self._found.items():
            report = _KINDS[kind]
            paths: tuple[str, ...] = tuple(path for path, *_ in found)
            named = ", ".join(f"{path}: {why}" if why else path for path, _, why in found[: report.named])
            more = f" and {len(paths) - report.named:,} more" if len(paths) > report.named else ""
            total = self.count(kind)
            images = f" ({pluralize(total, 'image')})" if total > len(paths) else ""
            problems.append(Problem(report.problem, f"{report.what}: {named}{more}{images}; {report.remedy}", paths))
        return problems

    def summary(self) -> str:
        """Return the numbers of what is left out, such as "2 hidden files, 1 archive"; empty if there is nothing."""
        totals: dict[tuple[str, str], int] = {}
        for kind in self._found:
            words = (_KINDS[kind].one, _KINDS[kind].many)
            totals[words] = totals.get(words, 0) + self.count(kind)
        return ", ".join(f"1 {one}" if total == 1 else f"{total:,} {many}" for (one, many), total in totals.items())


def summarize(rows: Sequence[tuple[str, str, str]], left_out: LeftOut) -> str:
    """Return the line that says what was read and what was left out.

    Args:
        rows: path, label and split of every image.
        left_out: what was left out.
    """
    read = describe_rows(rows)
    return f"{read}; left out: {summary}" if (summary := left_out.summary()) else read


def describe_rows(rows: Sequence[tuple[str, str, str]]) -> str:
    """Return the numbers of images and classes, and the splits, such as "70 images in 7 classes, train and validation".

    Args:
        rows: path, label and split of every image.
    """
    classes = {label for _, label, _ in rows}
    splits = [name for name in SPLITS if any(split == name for _, _, split in rows)]
    where = ", ".join(splits) or "without splits"
    where = re.sub(r", (\w+)$", r" and \1", where)
    number = "1 class" if len(classes) == 1 else f"{len(classes)} classes"
    return f"{pluralize(len(rows), 'image')} in {number}, {where}"


def describe_people(people: Sequence[str]) -> str:
    """Return the number of people, such as "8 people", from the person of every image."""
    number = len(set(people))
    return "1 person" if number == 1 else f"{number:,} people"
