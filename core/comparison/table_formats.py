"""Format tables of rows as CSV, Markdown, LaTeX and JSON, and format cells for the screen."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from core.comparison.columns import COLUMNS, PUBLISHED_RUN, Column, Row, reading_columns
from core.errors import ConfigError
from core.system import files

Columns = Mapping[str, Column]
ENDINGS = {".csv": "csv", ".md": "markdown", ".tex": "latex", ".json": "json"}
# The endings of files that a chosen format may be written to besides its own. A device or a pipe has none.
_NEUTRAL_ENDINGS = ("", ".txt")


def format_table(rows: Iterable[Row], format_name: str, columns: Columns | None = None) -> str:
    """Format the rows as `csv`, `markdown`, `latex` or `json`.

    Args:
        rows: rows with a value for each of `columns`; unknown values are None.
        format_name: one of the four formats.
        columns: the columns by name. By default, CSV and JSON have all columns of a comparison, and Markdown and LaTeX
            have those that a terminal shows.
    """
    listed = list(rows)
    if columns is None:
        columns = COLUMNS if format_name in ("csv", "json") else reading_columns(listed)
    return {"csv": _csv, "markdown": _markdown, "latex": _latex, "json": _json}[format_name](listed, columns)


def select_columns(rows: Iterable[Row], columns: Columns) -> list[Row]:
    """Return the rows with the values of these columns, in their order."""
    return [{name: row[name] for name in columns} for row in rows]


def find_format(path: Path, chosen: str | None = None) -> str:
    """Return the format of a file: the one that its ending stands for, or the chosen one if they do not disagree.

    Args:
        path: the file to write.
        chosen: the format that the user chose; None for no choice.

    Raises:
        ConfigError: the ending stands for no format, or for another one than the chosen format.
    """
    ending = path.suffix.lower()
    if chosen is not None and ending in _NEUTRAL_ENDINGS:
        return chosen
    if ending not in ENDINGS:
        raise ConfigError("target", f"{path}: the ending must be one of {', '.join(ENDINGS)}")
    found = ENDINGS[ending]
    if chosen not in (None, found):
        right = next(known for known, name in ENDINGS.items() if name == chosen)
        raise ConfigError(
            "target", f"{path}: the ending stands for {found}, but the format is {chosen}; use the ending {right}"
        )
    return found


def cell(column: str, value: Any, columns: Columns = COLUMNS) -> str:
    """Format a value for reading: figures with four decimals, thousands separators, blank for unknown values."""
    if value is None:
        return ""
    kind = columns[column].kind
    if kind == "codes":
        return "; ".join(value)
    if kind == "figure":
        return f"{value:.4f}"
    if kind == "seconds":
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def model_cell(row: Row) -> str:
    """Format a row's model, with a label for the article's rows and controls."""
    label = "article" if row["run"] == PUBLISHED_RUN else row.get("control")
    return f"{row['model']} ({label})" if label else row["model"]


def reading_cell(column: str, row: Row, columns: Columns = COLUMNS) -> str:
    """Format a cell of a row for reading, see `cell` and `model_cell`."""
    return model_cell(row) if column == "model" else cell(column, row[column], columns)


def _csv(rows: list[Row], columns: Columns) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_safe, columns))
    for row in rows:
        writer.writerow([_safe(";".join(row[c]) if columns[c].kind == "codes" else row[c]) for c in columns])
    return text.getvalue()


def _safe(value: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would read as a formula."""
    if not isinstance(value, str):
        return value
    # Up to Python 3.12 the csv module does not quote carriage returns, which readers treat as the end of a row.
    text = value.replace("\r", " ")
    return f"'{text}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _json(rows: list[Row], columns: Columns) -> str:
    return files.to_json(select_columns(rows, columns))


_MARKDOWN = str.maketrans({"\\": r"\\", "|": r"\|", "<": r"\<", "*": r"\*", "`": r"\`", "\n": " ", "\r": " "})


def _markdown(rows: list[Row], columns: Columns) -> str:
    lines = [
        [name.translate(_MARKDOWN) for name in columns],
        ["--:" if column.is_number else "---" for column in columns.values()],
    ]
    lines += [[reading_cell(c, row, columns).translate(_MARKDOWN) for c in columns] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_LATEX = str.maketrans(
    {
        **{c: rf"\{c}" for c in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        # At the start of a row, LaTeX would read it as an argument of the preceding \\.
        "[": "{[}",
        "\n": " ",
        "\r": " ",
    }
)


def _latex(rows: list[Row], columns: Columns) -> str:
    """Format a booktabs table."""
    layout = "".join("r" if column.is_number else "l" for column in columns.values())
    lines = [" & ".join(c.replace("_", " ").translate(_LATEX) for c in columns) + r" \\"]
    body = [" & ".join(reading_cell(c, row, columns).translate(_LATEX) for c in columns) + r" \\" for row in rows]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{layout}}}",
            r"\toprule",
            *lines,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
