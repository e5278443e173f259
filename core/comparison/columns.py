"""The columns and rows of the comparison table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

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


def blank_row() -> dict[str, Any]:
    """Return a row without values."""
    return {**dict.fromkeys(COLUMNS), "warnings": []}


def is_reference(row: Row) -> bool:
    """Return whether a row is a baseline or an article's result, not a run."""
    return row["run"] in (*BASELINES, PUBLISHED_RUN)


def run_names(row: Row) -> list[str]:
    """Return the names of a row's runs: one run, or several runs that differ only in the seed."""
    return [row["run"]] if row["seeds"] == 1 else str(row["run"]).split(";")
