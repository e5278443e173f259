"""Merge runs that differ only in the seed into one row, with means and standard deviations of the metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from core.comparison.columns import COLUMNS, Row
from core.config.training_config import TrainingConfig
from core.runs.reader import RunSnapshot


def comparison_key(run: RunSnapshot, *ignored: str) -> tuple[str, str]:
    """Return a key that is equal for comparable runs.

    Args:
        run: the run.
        ignored: the settings in which comparable runs may differ.

    Returns:
        The fingerprint of the data, and the other settings as JSON.
    """
    usual = {name: field.default for name, field in TrainingConfig.model_fields.items() if not field.is_required()}
    # A setting that is missing in the config of an older version has its default value.
    compared = {name: value for name, value in (usual | dict(run.config)).items() if name not in ignored}
    return str(run.environment.get("fingerprint")), json.dumps(compared, sort_keys=True)


def average_over_seeds(runs: Sequence[RunSnapshot], rows: Sequence[Row], *ignored: str) -> list[Row]:
    """Merge runs that differ only in the seed into one row, at the first run's position.

    Args:
        runs: the runs, in the order of `rows`; a run that has not completed keeps its own row.
        rows: the runs' rows, see `core.comparison.table.run_row`.
        ignored: other settings in which the runs of a row may differ.

    Returns:
        The rows. The metrics of a merged row are means over its runs. Its `seeds` is the number of these runs, and its
        `run` contains their names, separated by semicolons. Two columns contain sample standard deviations.
    """
    groups: dict[Any, list[Row]] = {}
    for run, row in zip(runs, rows, strict=True):
        key = comparison_key(run, "seed", *ignored) if run.state == "completed" else run.name
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
            is_known = len(values) == len(rows) and (column.is_averaged or column.deviation_of)
            found[column.name] = round(over_seeds(values), 6) if is_known else None
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
