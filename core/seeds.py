"""Runs that differ in nothing but their seed, as one row: the mean of each figure, and how far the seeds are apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from core.config import TrainingConfig
from core.runs import RunSnapshot

# Of one run, not of a setting: an interval is about the faces, not about the seeds.
OF_ONE_RUN = ("whole_accuracy_low", "whole_accuracy_high", "macro_f1_low", "macro_f1_high")
AVERAGED = (
    "train_accuracy",
    "val_accuracy",
    "val_loss",
    "val_balanced_accuracy",
    "val_macro_f1",
    "control_val_accuracy",
    "whole_accuracy",
    "leak_free_accuracy",
)
DEVIATIONS = {"val_accuracy_sd": "val_accuracy", "val_macro_f1_sd": "val_macro_f1"}

Row = Mapping[str, Any]


def settings(run: RunSnapshot, *apart: str) -> tuple[str, str]:
    """What two runs must have in common to be held against each other.

    Args:
        run: one of them.
        apart: the settings that they may differ in.

    Returns:
        The fingerprint of the data, and the other settings.
    """
    usual = {name: field.default for name, field in TrainingConfig.model_fields.items() if not field.is_required()}
    # What an older version had no setting for it did as we do unless told.
    held = {name: value for name, value in (usual | dict(run.config)).items() if name not in apart}
    return str(run.environment.get("fingerprint")), json.dumps(held, sort_keys=True)


def fold(runs: Sequence[RunSnapshot], rows: Sequence[Row], *apart: str) -> list[Row]:
    """A row a setting in place of a row a run, where the first of its runs stood.

    Args:
        runs: those that the rows are of, in the same order. What has not completed keeps a row of its own.
        rows: of `core.comparison.run_row`.
        apart: the settings besides the seed that the runs of a row may differ in.

    Returns:
        Rows whose figures are means over `seeds` runs, with sample standard deviations for DEVIATIONS; `run` names all
        of them, separated by semicolons.
    """
    groups: dict[Any, list[Row]] = {}
    for run, row in zip(runs, rows, strict=True):
        key = settings(run, "seed", *apart) if run.state == "completed" else run.name
        groups.setdefault(key, []).append(row)
    return [_folded(group) for group in groups.values()]


def _folded(rows: Sequence[Row]) -> Row:
    if len(rows) == 1:
        return rows[0]
    found = dict(rows[0])
    for column in AVERAGED:
        values = _known(rows, column)
        found[column] = round(mean(values), 6) if len(values) == len(rows) else None
    for column, of in DEVIATIONS.items():
        values = _known(rows, of)
        found[column] = round(stdev(values), 6) if len(values) == len(rows) else None
    epochs, seconds = _known(rows, "epochs"), _known(rows, "seconds")
    return found | {
        **dict.fromkeys(OF_ONE_RUN),
        "seeds": len(rows),
        "epochs": round(mean(epochs)) if epochs else None,
        "seconds": round(mean(seconds), 1) if seconds else None,
        "run": ";".join(row["run"] for row in rows),
        "warnings": list(dict.fromkeys(code for row in rows for code in row["warnings"])),
    }


def _known(rows: Sequence[Row], column: str) -> list[float]:
    return [row[column] for row in rows if row[column] is not None]
