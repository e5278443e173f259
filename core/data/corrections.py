"""What a user has decided about images: which are left out, and which get another label."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.dataset import Dataset, Problem
from core.errors import ConfigError, pluralize
from core.system import files

EXCLUDE, RELABEL, KEEP = "exclude", "relabel", "keep"
# The columns of a file of decisions; `label` is what the image had, which nothing but people reads.
COLUMNS = ("path", "label", "decision", "new_label")


@dataclass(frozen=True)
class ReviewDecision:
    """What is to become of an image.

    Attributes:
        path: relative to the data set's root.
        label: its label in the data set.
        decision: exclude, relabel, or keep.
        new_label: the class that it is given by relabel.
    """

    path: str
    label: str
    decision: str
    new_label: str = ""


def decisions_to_csv(decisions: list[ReviewDecision]) -> bytes:
    """Decisions as the CSV that `exclude` and `relabel` take."""
    rows = ((each.path, each.label, each.decision, each.new_label) for each in decisions)
    return files.to_csv([COLUMNS, *rows])


def read_decisions(file: Path) -> dict[str, ReviewDecision]:
    """The decisions of a file that `decisions_to_csv` wrote, by path; none where there is no such file.

    Raises:
        ConfigError: it can't be read, or lacks a column.
    """
    if not file.exists():
        return {}
    rows = (row for _, row in _rows(file, "", COLUMNS))
    return {row["path"]: ReviewDecision(*(row[name] for name in COLUMNS)) for row in rows}


def read_exclusions(file: Path) -> dict[str, None]:
    """The paths that a CSV leaves out: its column `path`, where there is a column `decision` those of `exclude` alone.

    Raises:
        ConfigError: it can't be read, or has no such column.
    """
    return {row["path"]: None for _, row in _rows(file, EXCLUDE, ("path",))}


def read_relabels(file: Path) -> dict[str, str]:
    """The new labels that a CSV gives: `path` to `new_label`, with a column `decision` those of `relabel` alone.

    Raises:
        ConfigError: it can't be read, lacks a column, or names no new label.
    """
    found: dict[str, str] = {}
    for line, row in _rows(file, RELABEL, ("path", "new_label")):
        if not row["new_label"]:
            raise ConfigError(RELABEL, f"{file}: line {line}: names no new label")
        found[row["path"]] = row["new_label"]
    return found


def _rows(file: Path, decision: str, needed: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Lines and rows of a decision, of every one where that is empty."""
    field = decision or "decisions"
    try:
        text = files.read_bytes(file).decode(errors="surrogateescape")
    except OSError as error:
        raise ConfigError(field, f"{file}: {error.strerror}; name a CSV with a column 'path'") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for name in needed:
            if name not in (reader.fieldnames or ()):
                raise ConfigError(field, f"{file}: has no column '{name}'; needed are {', '.join(needed)}")
        for row in reader:
            if None in row or None in row.values():
                raise ConfigError(field, f"{file}: line {reader.line_num}: has not as many cells as the first line")
            if not decision or row.get("decision", decision) == decision:
                yield reader.line_num, row
    except csv.Error as error:
        raise ConfigError(field, f"{file}: line {reader.line_num}: {error}") from None


def apply_decisions(dataset: Dataset, exclude: Path | None, relabel: Path | None) -> Dataset:
    """A data set as decisions leave it, with a problem of kind `corrected` that tells of them.

    Args:
        dataset: as it was read.
        exclude: a CSV of images to leave out; see `read_exclusions`.
        relabel: a CSV of new labels; see `read_relabels`.

    Raises:
        ConfigError: a file can't be used; a new label is no class of the data set; or none of its images is there.
    """
    if relabel is not None:
        dataset = _relabel(dataset, relabel)
    if exclude is not None:
        gone = read_exclusions(exclude)
        left_out = dataset.frame["path"].isin(gone)
        dataset = _with_correction_problem(dataset, EXCLUDE, exclude, gone, int(left_out.sum()), "left out")
        dataset = replace(dataset, frame=dataset.frame[~left_out].reset_index(drop=True))
    return replace(dataset, classes=tuple(sorted(dataset.frame["label"].unique())))


def _relabel(dataset: Dataset, file: Path) -> Dataset:
    labels = read_relabels(file)
    classes = set(dataset.frame["label"])
    for label in labels.values():
        if label not in classes:
            raise ConfigError(
                RELABEL, f"{file}: '{label}' is no class of {dataset.root}; choose from {', '.join(sorted(classes))}"
            )
    frame = dataset.frame.copy()
    known = frame["path"].isin(labels)
    frame.loc[known, "label"] = [labels[path] for path in frame.loc[known, "path"]]
    dataset = _with_correction_problem(dataset, RELABEL, file, labels, int(known.sum()), "given another label")
    return replace(dataset, frame=frame)


def _with_correction_problem(
    dataset: Dataset, field: str, file: Path, paths: Mapping[str, object], found: int, done: str
) -> Dataset:
    """The data set with what was done to it among its problems."""
    if paths and not found:
        raise ConfigError(
            field, f"{file}: none of its {len(paths):,} images is in {dataset.root}, such as {next(iter(paths))}"
        )
    gone = len(paths) - found
    missing = f"; {gone:,} more of its paths are not in the data set" if gone else ""
    message = f"{pluralize(found, 'image')} {done}, as {file.name} has it{missing}"
    return replace(dataset, problems=(*dataset.problems, Problem("corrected", message, tuple(paths))))
