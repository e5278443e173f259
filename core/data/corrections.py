"""A user's decisions about images: exclude an image, relabel it, or keep it."""

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
# The columns of a decisions file. `label` is the image's original label, for people; no code uses it.
COLUMNS = ("path", "label", "decision", "new_label")


@dataclass(frozen=True)
class ReviewDecision:
    """A decision about an image.

    Attributes:
        path: the image's path, relative to the data set's root.
        label: the image's label in the data set.
        decision: exclude, relabel, or keep.
        new_label: the new label, if the decision is relabel.
    """

    path: str
    label: str
    decision: str
    new_label: str = ""


def decisions_to_csv(decisions: list[ReviewDecision]) -> bytes:
    """Return the decisions as a CSV for the settings `exclude` and `relabel`."""
    rows = ((each.path, each.label, each.decision, each.new_label) for each in decisions)
    return files.to_csv([COLUMNS, *rows])


def read_decisions(file: Path) -> dict[str, ReviewDecision]:
    """Read a file of `decisions_to_csv`. Return its decisions by path; no decisions if the file does not exist.

    Raises:
        ConfigError: the file can't be read, or lacks a column.
    """
    if not file.exists():
        return {}
    rows = (row for _, row in _rows(file, "", COLUMNS))
    return {row["path"]: ReviewDecision(*(row[name] for name in COLUMNS)) for row in rows}


def read_exclusions(file: Path) -> dict[str, None]:
    """Read the paths to exclude, the column `path` of a CSV. If it has a column `decision`, use only `exclude` rows.

    Raises:
        ConfigError: the file can't be read, or has no column `path`.
    """
    return {row["path"]: None for _, row in _rows(file, EXCLUDE, ("path",))}


def read_relabels(file: Path) -> dict[str, str]:
    """Read the new labels in a CSV, `path` to `new_label`. If it has a column `decision`, use only `relabel` rows.

    Raises:
        ConfigError: the file can't be read, lacks a column, or has a row without a new label.
    """
    found: dict[str, str] = {}
    for line, row in _rows(file, RELABEL, ("path", "new_label")):
        if not row["new_label"]:
            raise ConfigError(RELABEL, f"{file}: line {line} has no new label")
        found[row["path"]] = row["new_label"]
    return found


def _rows(file: Path, decision: str, needed: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the line numbers and rows with this decision, or all rows if `decision` is empty."""
    field = decision or "decisions"
    try:
        text = files.from_utf8(files.read_bytes(file))
    except OSError as error:
        raise ConfigError(field, f"{file}: {error.strerror}; give a CSV with a column 'path'") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for name in needed:
            if name not in (reader.fieldnames or ()):
                raise ConfigError(field, f"{file}: the file has no column '{name}'; needs {', '.join(needed)}")
        for row in reader:
            if None in row or None in row.values():
                raise ConfigError(field, f"{file}: line {reader.line_num}: the number of cells differs from the header")
            if not decision or row.get("decision", decision) == decision:
                yield reader.line_num, row
    except csv.Error as error:
        raise ConfigError(field, f"{file}: line {reader.line_num}: {error}") from None


def apply_decisions(dataset: Dataset, exclude: Path | None, relabel: Path | None) -> Dataset:
    """Apply decisions to a data set, and add a problem of kind `corrected` for each file.

    Args:
        dataset: the data set.
        exclude: a CSV of images to exclude; see `read_exclusions`.
        relabel: a CSV of new labels; see `read_relabels`.

    Raises:
        ConfigError: a file is invalid, a new label is not a class of the data set, or the data set has none of the
            file's images.
    """
    if relabel is not None:
        dataset = _relabel(dataset, relabel)
    if exclude is not None:
        gone = read_exclusions(exclude)
        left_out = dataset.frame["path"].isin(gone)
        dataset = _with_correction_problem(dataset, EXCLUDE, exclude, gone, int(left_out.sum()), "excluded")
        dataset = replace(dataset, frame=dataset.frame[~left_out].reset_index(drop=True))
    return replace(dataset, classes=tuple(sorted(dataset.frame["label"].unique())))


def _relabel(dataset: Dataset, file: Path) -> Dataset:
    labels = read_relabels(file)
    classes = set(dataset.frame["label"])
    for label in labels.values():
        if label not in classes:
            raise ConfigError(
                RELABEL, f"{file}: '{label}' is not a class of {dataset.root}; choose from {', '.join(sorted(classes))}"
            )
    frame = dataset.frame.copy()
    known = frame["path"].isin(labels)
    frame.loc[known, "label"] = [labels[path] for path in frame.loc[known, "path"]]
    dataset = _with_correction_problem(dataset, RELABEL, file, labels, int(known.sum()), "relabelled")
    return replace(dataset, frame=frame)


def _with_correction_problem(
    dataset: Dataset, field: str, file: Path, paths: Mapping[str, object], found: int, done: str
) -> Dataset:
    """Add a problem that describes the correction."""
    if paths and not found:
        raise ConfigError(
            field, f"{file}: none of its {len(paths):,} images are in {dataset.root}, such as {next(iter(paths))}"
        )
    gone = len(paths) - found
    missing = f"; the data set lacks {pluralize(gone, 'other path')} of the file" if gone else ""
    message = f"{pluralize(found, 'image')} {done} by {file.name}{missing}"
    return replace(dataset, problems=(*dataset.problems, Problem("corrected", message, tuple(paths))))
