"""Runs that differ in nothing but their seed, as one row: the mean of each figure, and how far the seeds are apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from core.comparison.columns import COLUMNS, Row
from core.config.training_config import TrainingConfig
from core.runs.reader import RunSnapshot


def comparison_key(run: RunSnapshot, *ignored: str) -> tuple[str, str]:
    """What two runs must have in common to be held against each other.

    Args:
        run: one of them.
        apart: the settings that they may differ in.

    Returns:
        The fingerprint of the data, and the other settings.
    """
    usual = {name: field.default for name, field in TrainingConfig.model_fields.items() if not field.is_required()}
    # What an older version had no setting for it did as we do unless told.
    held = {name: value for name, value in (usual | dict(run.config)).items() if name not in ignored}
    return str(run.environment.get("fingerprint")), json.dumps(held, sort_keys=True)


def average_over_seeds(runs: Sequence[RunSnapshot], rows: Sequence[Row], *apart: str) -> list[Row]:
    """A row a setting in place of a row a run, where the first of its runs stood.

    Args:
        runs: those that the rows are of, in the same order. What has not completed keeps a row of its own.
        rows: of `core.comparison.table.run_row`.
        apart: the settings besides the seed that the runs of a row may differ in.

    Returns:
        Rows whose figures are means over `seeds` runs, with sample standard deviations of two of them; `run` names all
        of them, separated by semicolons.
    """
    groups: dict[Any, list[Row]] = {}
    for run, row in zip(runs, rows, strict=True):
        key = comparison_key(run, "seed", *apart) if run.state == "completed" else run.name
        groups.setdefault(key, []).append(row)
    return [_average(group) for group in groups.values()]


def _average(rows: Sequence[Row]) -> Row:
    if len(rows) == 1:
        return rows[0]
    found = dict(rows[0])
    for column in COLUMNS.values():
        if column.kind == "figure":
            values = _known(rows, column.deviation_of or column.name)
            over_seeds = stdev if column.deviation_of else mean
            is_told = len(values) == len(rows) and (column.is_averaged or column.deviation_of)
            found[column.name] = round(over_seeds(values), 6) if is_told else None
    epochs, seconds = _known(rows, "epochs"), _known(rows, "seconds")
    return found | {
        "seeds": len(rows),
        "epochs": round(mean(epochs)) if epochs else None,
        "seconds": round(mean(seconds), 1) if seconds else None,
        "run": ";".join(row["run"] for row in rows),
        "warnings": list(dict.fromkeys(code for row in rows for code in row["warnings"])),
    }


def _known(rows: Sequence[Row], column: str) -> list[float]:
    return [row[column] for row in rows if row[column] is not None]
