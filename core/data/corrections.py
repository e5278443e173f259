"""A user's decisions about images: exclude an image, relabel it, or keep it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.dataset import Dataset, Problem
from core.data.edited_csv import EditedCsv, EditedCsvError
from core.data.votes import with_votes_of
from core.errors import ConfigError, pluralize, suggest_name
from core.system import files

EXCLUDE, RELABEL, KEEP = "exclude", "relabel", "keep"
DECISIONS = (EXCLUDE, RELABEL, KEEP)
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
        ConfigError: the file can't be read, lacks a column, or has an unknown decision.
    """
    if not file.exists():
        return {}
    rows = (row for _, row in _rows(file, "", COLUMNS))
    return {row["path"]: ReviewDecision(*(row[name] for name in COLUMNS)) for row in rows}


def read_exclusions(file: Path) -> dict[str, None]:
    """Read the paths to exclude, the column `path` of a CSV. If it has a column `decision`, use only `exclude` rows.

    Raises:
        ConfigError: the file can't be read, has no column `path`, or has an unknown decision.
    """
    return {row["path"]: None for _, row in _rows(file, EXCLUDE, ("path",))}


def read_relabels(file: Path) -> dict[str, str]:
    """Read the new labels in a CSV, `path` to `new_label`. If it has a column `decision`, use only `relabel` rows.

    Raises:
        ConfigError: the file can't be read, lacks a column, or has an unknown decision or a row without a new label.
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
        content = files.read_bytes(file)
    except OSError as error:
        raise ConfigError(field, f"{file}: {error.strerror}; give a CSV with a column 'path'") from None
    verdicts: dict[str, tuple[int, tuple[str | None, str]]] = {}
    try:
        table = EditedCsv(content, needed, COLUMNS)
        for line, cells in table.rows():
            row = _checked(line, cells)
            chosen = row.get("decision")
            verdict = chosen, "" if chosen in (EXCLUDE, KEEP) else row.get("new_label", "")
            first, known = verdicts.setdefault(row["path"], (line, verdict))
            if known != verdict:
                raise EditedCsvError(f"lines {first} and {line} have different decisions for {row['path']}; keep one")
            if not decision or row.get("decision", decision) == decision:
                yield line, row
    except EditedCsvError as error:
        raise ConfigError(field, f"{file}: {error}") from None


def _checked(line: int, row: Mapping[str, str]) -> Mapping[str, str]:
    """Return a row with its decision in lower case, without blanks. An empty decision changes nothing.

    Raises:
        EditedCsvError: the decision is unknown, or is in a column with another name.
    """
    if "decision" in row:
        decision = row["decision"].strip().casefold()
        if decision and decision not in DECISIONS:
            hint = suggest_name(decision, DECISIONS, f"choose from {', '.join(DECISIONS)}")
            raise EditedCsvError(f"line {line}: unknown decision '{row['decision']}'; {hint}")
        return {**row, "decision": decision}
    for column, cell in row.items():
        if column.casefold() in DECISIONS:
            raise EditedCsvError(
                f"the column '{column}' is a decision; write decisions into a column 'decision': {', '.join(DECISIONS)}"
            )
        if column != "path" and cell.strip().casefold() in DECISIONS:
            raise EditedCsvError(
                f"line {line}: '{cell}' looks like a decision, but its column is called '{column}'; call the column "
                "'decision'"
            )
    return row


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
        paths = read_exclusions(exclude)
        gone = _match_paths(paths, dataset)
        left_out = dataset.frame["path"].isin(gone)
        dataset = _with_correction_problem(dataset, EXCLUDE, exclude, paths, len(gone), "left out")
        dataset = replace(dataset, frame=dataset.frame[~left_out].reset_index(drop=True))
    return with_votes_of(dataset, sorted(dataset.frame["label"].unique()))


def _relabel(dataset: Dataset, file: Path) -> Dataset:
    labels = read_relabels(file)
    classes = set(dataset.frame["label"])
    spellings = _spellings(set(labels.values()), classes, lambda label: label.casefold())
    for path, label in labels.items():
        if label not in spellings:
            listed = ", ".join(sorted(classes))
            message = f"'{label}' is not a class of {dataset.root}, for {path}; choose from {listed}"
            raise ConfigError(RELABEL, f"{file}: {message}")
    found = _match_paths(labels, dataset)
    frame = dataset.frame.copy()
    known = frame["path"].isin(found)
    frame.loc[known, "label"] = [spellings[labels[found[path]]] for path in frame.loc[known, "path"]]
    if "votes" in frame:
        one_hot = {name: tuple(float(name == other) for other in dataset.classes) for name in classes}
        frame["votes"] = [
            one_hot[label] if is_new else votes
            for label, votes, is_new in zip(frame["label"], frame["votes"], known, strict=True)
        ]
    dataset = _with_correction_problem(dataset, RELABEL, file, labels, len(found), "relabelled")
    return replace(dataset, frame=frame)


def _match_paths(paths: Iterable[str], dataset: Dataset) -> Mapping[str, str]:
    """Return the images of a data set that paths of a file name: path in the data set to path in the file."""
    known = set(dataset.frame["path"])
    spellings = _spellings(paths, known, lambda path: path.replace("\\", "/").removeprefix("./"))
    return {in_dataset: in_file for in_file, in_dataset in spellings.items()}


def _spellings(names: Iterable[str], known: Collection[str], clean: Callable[[str], str]) -> Mapping[str, str]:
    """Match names that people typed with known names: exactly, or else without differences of spelling.

    Args:
        names: the names.
        known: the known names.
        clean: removes differences that do not count, besides blanks around the name and its Unicode form.

    Returns:
        Name to known name. A name that fits no known name, or several, is missing.
    """
    found = {name: name for name in names if name in known}
    others = [name for name in names if name not in found]
    if not others:
        return found

    def bare(name: str) -> str:
        return clean(unicodedata.normalize("NFC", name.strip().strip('"')))

    by_bare: dict[str, list[str]] = {}
    for name in known:
        by_bare.setdefault(bare(name), []).append(name)
    for name in others:
        candidates = by_bare.get(bare(name), [])
        if len(candidates) == 1:
            found[name] = candidates[0]
    return found


def _with_correction_problem(
    dataset: Dataset, field: str, file: Path, paths: Mapping[str, object], found: int, done: str
) -> Dataset:
    """Add a problem that describes the correction."""
    if paths and not found:
        raise ConfigError(
            field,
            f"{file}: none of its {len(paths):,} images are in {dataset.root}, such as {next(iter(paths))}; write "
            f"paths relative to the data set, such as {dataset.frame['path'].iloc[0]}",
        )
    gone = len(paths) - found
    missing = f"; the data set lacks {pluralize(gone, 'other path')} of the file" if gone else ""
    message = f"{pluralize(found, 'image')} {done} by {file.name}{missing}"
    return replace(dataset, problems=(*dataset.problems, Problem("corrected", message, tuple(paths))))
