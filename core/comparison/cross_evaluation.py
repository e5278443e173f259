"""Compare runs on several data sets: one row per run and data set, or a table of runs by data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.comparison.columns import Column, Row
from core.comparison.table_formats import format_table
from core.evaluation.inference import SplitMetrics
from core.runs.reader import RunSnapshot

# The order is a contract: new columns come at the end.
CROSS_COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        Column("run", "run", "text"),
        Column("model", "model", "text"),
        Column("data", "data", "text"),
        Column("split", "split", "text"),
        Column("images", "images", "count"),
        Column("skipped", "skipped", "count"),
        Column("accuracy", "accuracy", "figure"),
        Column("accuracy_low", "95 % from", "figure"),
        Column("accuracy_high", "to", "figure"),
        Column("balanced_accuracy", "balanced", "figure"),
        Column("macro_f1", "macro F1", "figure"),
        Column("macro_f1_low", "F1 from", "figure"),
        Column("macro_f1_high", "F1 to", "figure"),
        Column("loss", "loss", "figure"),
        Column("majority_accuracy", "majority", "figure"),
        Column("error", "error", "text"),
    )
}


def cross_row(run: RunSnapshot, data: Path, result: SplitMetrics | None, error: str = "") -> Row:
    """Return the row of one run on one data set, with a value for each of CROSS_COLUMNS.

    Args:
        run: the evaluated run.
        data: the data set, as the user wrote it.
        result: the metrics, or None if the run can't be evaluated on the data set.
        error: the reason why it can't be evaluated.
    """
    row: dict[str, Any] = {
        **dict.fromkeys(CROSS_COLUMNS),
        "run": run.name,
        "model": run.model,
        "data": str(data),
        "error": error or None,
    }
    if result is not None:
        row |= {name: value for name, value in result.items() if name in CROSS_COLUMNS}
        for figure in ("accuracy", "macro_f1"):
            row[f"{figure}_low"], row[f"{figure}_high"] = result["intervals"][figure]
    return row


def cross_cell(row: Row) -> str:
    """Return the accuracy of a row of `cross_row` with its 95 % interval; blank if the run can't be evaluated."""
    if row["accuracy"] is None:
        return ""
    return "{accuracy:.4f} ({accuracy_low:.3f} to {accuracy_high:.3f})".format(**row)


def cross_table(rows: Sequence[Row]) -> tuple[Mapping[str, Column], list[Row]]:
    """Arrange the rows as a table of runs by data sets. Each cell has the accuracy and its 95 % interval.

    Args:
        rows: the rows that `cross_row` returns, one for each run and data set.

    Returns:
        The columns `run`, `model` and one for each data set; and one row for each run. A cell is blank if the run
        can't be evaluated on the data set.
    """
    columns = {name: CROSS_COLUMNS[name] for name in ("run", "model")}
    table: dict[str, dict[str, Any]] = {}
    # The row of a run that can't be evaluated has no split.
    splits = {row["data"]: row["split"] for row in rows if row["split"]}
    for row in rows:
        data = row["data"]
        heading = f"{data} ({splits[data]})" if data in splits else data
        columns[heading] = Column(heading, heading, "text")
        cells = table.setdefault(row["run"], {"run": row["run"], "model": row["model"]})
        cells[heading] = cross_cell(row) or None
    return columns, [{**dict.fromkeys(columns), **cells} for cells in table.values()]


def format_cross_rows(rows: Sequence[Row], format_name: str) -> str:
    """Format the rows of `cross_row`, see `core.comparison.table_formats.format_table`.

    CSV and JSON have a row for each run and data set with all columns. Markdown and LaTeX have the table of
    `cross_table`.
    """
    columns, table = (CROSS_COLUMNS, rows) if format_name in ("csv", "json") else cross_table(rows)
    return format_table(table, format_name, columns)
