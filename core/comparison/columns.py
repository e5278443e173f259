"""The columns and rows of the comparison table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.errors import ConfigError, suggest_name

Kind = Literal["text", "codes", "count", "seconds", "figure"]
Row = Mapping[str, Any]
"""A row of the table: a value for each of COLUMNS, None for unknown values."""

# Values of the column `run` in rows that are not runs.
BASELINES = ("majority", "chance")
PUBLISHED_RUN = "published"


@dataclass(frozen=True)
class Column:
    """A column of the comparison table.

    Attributes:
        name: the column's name in files, for example in the header of the CSV.
        heading: a short heading for screens.
        kind: `text`; `codes`, a list of warnings; `count`, an integer; `seconds`; `figure`, shown with four decimals.
        is_averaged: whether a row of several seeds contains the mean of its runs; other figures are blank there.
        deviation_of: the column whose standard deviation over the seeds this column contains; empty for other columns.
        is_judged: whether the best value among our runs is highlighted.
    """

    name: str
    heading: str
    kind: Kind
    is_averaged: bool = False
    deviation_of: str = ""
    is_judged: bool = False

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers, which are aligned to the right."""
        return self.kind in ("count", "seconds", "figure")


def _text(name: str, heading: str = "") -> Column:
    return Column(name, heading or name, "text")


def _count(name: str, heading: str = "") -> Column:
    return Column(name, heading or name, "count")


def _judged(name: str, heading: str) -> Column:
    return Column(name, heading, "figure", is_averaged=True, is_judged=True)


def _averaged(name: str, heading: str) -> Column:
    return Column(name, heading, "figure", is_averaged=True)


def _end_of_interval(name: str, heading: str) -> Column:
    # Not averaged: the mean of several runs' intervals is not an interval of their mean.
    return Column(name, heading, "figure")


def _deviation(name: str, heading: str, of: str) -> Column:
    return Column(name, heading, "figure", deviation_of=of)


# The order is part of the file format. Add new columns at the end.
COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        _text("model"),
        _text("protocol"),
        _text("encoding"),
        _text("augmentation", "augment"),
        _count("epochs"),
        _count("params"),
        _judged("train_accuracy", "train acc"),
        _judged("val_accuracy", "val acc"),
        _judged("val_loss", "val loss"),
        _judged("val_balanced_accuracy", "balanced"),
        _judged("val_macro_f1", "macro F1"),
        _count("val_images", "val images"),
        Column("seconds", "seconds", "seconds"),
        _text("run"),
        Column("warnings", "warnings", "codes"),
        _text("control"),
        _averaged("control_val_accuracy", "on noise"),
        _averaged("whole_accuracy", "whole"),
        _end_of_interval("whole_accuracy_low", "95 % from"),
        _end_of_interval("whole_accuracy_high", "to"),
        _end_of_interval("macro_f1_low", "F1 from"),
        _end_of_interval("macro_f1_high", "F1 to"),
        _averaged("leak_free_accuracy", "leak-free"),
        _count("seeds"),
        _deviation("val_accuracy_sd", "acc sd", of="val_accuracy"),
        _deviation("val_macro_f1_sd", "F1 sd", of="val_macro_f1"),
    )
}


# The value of the option `columns` for every column.
ALL_COLUMNS = "all"
# The most important columns, which people read in a terminal of 80 columns, in Markdown and in LaTeX.
_NARROW = ("model", "epochs", "train_accuracy", "val_accuracy", "val_loss", "val_macro_f1", "warnings")
# The columns of a wide terminal.
_WIDE = (
    *("model", "protocol", "epochs", "params", "train_accuracy", "val_accuracy", "val_loss", "val_balanced_accuracy"),
    *("val_macro_f1", "whole_accuracy", "whole_accuracy_low", "whole_accuracy_high", "leak_free_accuracy"),
    *("seconds", "run", "warnings"),
)
# Columns that are shown beside another column if a row has a value for them.
_BESIDE = {
    "control_val_accuracy": "val_accuracy",
    "val_accuracy_sd": "val_accuracy",
    "seeds": "model",
    "val_macro_f1_sd": "val_macro_f1",
}


def reading_columns(rows: Sequence[Row], *, wide: bool = False) -> Mapping[str, Column]:
    """Return the columns for people: the most important ones, and those of seeds and controls if the rows have any.

    Args:
        rows: the rows of the table.
        wide: whether there is room for more columns, as in a wide terminal.
    """
    shown = list(_WIDE if wide else _NARROW)
    for column, beside in _BESIDE.items():
        if any(row[column] not in (None, 1) for row in rows):
            shown.insert(shown.index(beside) + 1, column)
    return {name: COLUMNS[name] for name in shown}


def choose_columns(text: str) -> Mapping[str, Column]:
    """Return the columns that a text names, in its order.

    Args:
        text: names of COLUMNS, separated by commas, or ALL_COLUMNS.

    Raises:
        ConfigError: a name is unknown or given twice. The message suggests a similar name, or lists all.
    """
    names = [name.strip() for name in text.split(",")]
    if names == [ALL_COLUMNS]:
        return COLUMNS
    for name in names:
        if name not in COLUMNS:
            hint = suggest_name(name, COLUMNS, f"choose from {ALL_COLUMNS}, {', '.join(COLUMNS)}")
            raise ConfigError("columns", f"unknown column '{name}'; {hint}")
        if names.count(name) > 1:
            raise ConfigError("columns", f"'{name}' is given twice; remove one of them")
    return {name: COLUMNS[name] for name in names}


def blank_row() -> dict[str, Any]:
    """Return a row without values."""
    return {**dict.fromkeys(COLUMNS), "warnings": []}


def is_reference(row: Row) -> bool:
    """Return whether a row is a baseline or an article's result, not a run."""
    return row["run"] in (*BASELINES, PUBLISHED_RUN)


def run_names(row: Row) -> list[str]:
    """Return the names of a row's runs: one run, or several runs that differ only in the seed."""
    return [row["run"]] if row["seeds"] == 1 else str(row["run"]).split(";")
