"""`fer-tui runs` and `fer-tui compare`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from core.comparison.columns import ALL_COLUMNS, COLUMNS, Column, Row, choose_columns, is_reference, reading_columns
from core.comparison.table_formats import find_format, format_table, reading_cell, select_columns
from core.errors import ConfigError
from core.runs.progress import describe_silence
from core.runs.reader import RunSnapshot, find_run, list_runs, read_run
from core.system import files
from fer_tui.commands.options import JsonOption, RunsOption, complete_run, resolve_runs_folder, write_target
from fer_tui.commands.run_json import run_summary
from fer_tui.console import output
from fer_tui.console.state_colours import terminal_style

FORMATS = ("table", "csv", "markdown", "latex", "json")
# From this width, a terminal shows more columns.
WIDE_FROM = 160


def runs(context: typer.Context, runs: RunsOption = None, json: JsonOption = False) -> int:
    """List the runs, newest first."""
    where = resolve_runs_folder(context, runs)
    found = [read_run(path) for path in list_runs(where)]
    if json:
        output.print_json([run_summary(run) for run in found])
        return 0
    if not found:
        output.print_message(f"no runs in {where}; start one with 'fer-tui train --data PATH --model compact'")
        return 0
    output.print_table(
        {"run": "left", "state": "left", "epochs": "right", "val acc": "right", "message": "left"},
        [(_cells(run), terminal_style(run.state)) for run in found],
    )
    return 0


def _cells(run: RunSnapshot) -> tuple[str, ...]:
    kept = run.kept_epoch()
    return (
        run.name,
        run.state,
        f"{len(run.history)}/{run.config.get('epochs', '?')}",
        f"{kept['val_accuracy']:.4f}" if kept else "",
        describe_silence(run) or run.message,
    )


def complete_columns(incomplete: str) -> list[str]:
    """Complete the last column of a list for the shell."""
    first, comma, last = incomplete.rpartition(",")
    return [f"{first}{comma}{name}" for name in (ALL_COLUMNS, *COLUMNS) if name.startswith(last)]


def compare(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Runs to compare. [default: all]",
            autocompletion=complete_run,
            show_default=False,
        ),
    ] = None,
    table_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="|".join(FORMATS),
            help="Output format. [default: the ending of --output, else table]",
            autocompletion=lambda: FORMATS,
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Write the table to a file. Its ending decides the format: csv, md, tex or json.",
            show_default=False,
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="NAME,NAME",
            help="Columns in their order, or 'all'. [default: all for csv and json, else the most important ones]",
            autocompletion=complete_columns,
            show_default=False,
        ),
    ] = None,
    published: Annotated[
        bool, typer.Option("--published/--no-published", help="Include the article's published results.")
    ] = True,
    average_seeds: Annotated[
        bool,
        typer.Option(
            "--average-seeds",
            "--fold-seeds",
            help="Merge runs that differ only in the seed into one row of means and standard deviations.",
        ),
    ] = False,
    tested: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--test",
            metavar="RUN RUN",
            help="Compare two runs with McNemar's exact test instead of printing the table.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ] = None,
    runs: RunsOption = None,
) -> int:
    """Compare runs with each other, with baselines and with the article."""
    # Imported here because it imports pydantic, which `fer-tui runs` does not need.
    from core.comparison import table as comparison

    if table_format is not None and table_format not in FORMATS:
        raise ConfigError("format", f"unknown format '{table_format}'; choose from {', '.join(FORMATS)}")
    chosen = None if columns is None else choose_columns(columns)
    where = resolve_runs_folder(context, runs)
    if tested:
        for name, option in (("target", target), ("columns", columns)):
            if option is not None:
                raise ConfigError(name, "can't be combined with --test, which prints its result on stdout; remove one")
        return _test(*(find_run(name, where) for name in tested), form=table_format or "table")
    # Refuse the ending before the runs are read.
    form = _file_format(target, table_format) if target is not None else table_format or "table"
    paths = [find_run(name, where) for name in names] if names else list_runs(where)
    if not paths:
        output.print_message(
            f"no runs in {where} to compare; start one with 'fer-tui train --data PATH --model compact'"
        )
    found = [read_run(path) for path in paths]
    for run in found:
        if run.problem:
            output.print_message(f"warning: {run.name}: {run.message}")
    rows = comparison.compare(found, with_published=published, average_seeds=average_seeds)
    if form == "table":
        print_comparison(rows, chosen)
        return 0
    if target is None and form == "json":
        output.print_json(select_columns(rows, chosen or COLUMNS))
        return 0
    text = format_table(rows, form, chosen)
    if target is None:
        output.print_lines(text)
        return 0
    write_target(target, files.to_utf8(text))
    output.print_message(f"wrote {target}")
    return 0


def _file_format(target: Path, chosen: str | None) -> str:
    """Return the format of the file to write, see `find_format`."""
    if chosen == "table":
        raise ConfigError("format", "table is only for the terminal; remove it, and the ending decides the format")
    return find_format(target, chosen)


def _test(first: Path, second: Path, *, form: str) -> int:
    """Print whether two runs differ by more than chance."""
    from core.evaluation.statistics import compare_predictions, describe_difference
    from core.runs.predictions import read_predictions

    if form not in ("table", "json"):
        raise ConfigError("format", f"--test prints a table or json (got {form!r})")
    difference = compare_predictions(read_predictions(first), read_predictions(second))
    if form == "json":
        output.print_json({"runs": [first.name, second.name], **asdict(difference)})
    else:
        output.print_lines("".join(f"{line}\n" for line in describe_difference(difference, first.name, second.name)))
    return 0


def print_comparison(rows: list[Row], columns: Mapping[str, Column] | None = None) -> None:
    """Print the table with runs first, and with baselines and the article's rows dimmed.

    Args:
        rows: the rows.
        columns: the columns; None for those that fit the terminal's width.
    """
    shown = columns or reading_columns(rows, wide=output.console().width >= WIDE_FROM)
    output.print_table(
        {column.heading: "right" if column.is_number else "left" for column in shown.values()},
        [([_cell(name, row) for name in shown], "dim" if is_reference(row) else "") for row in rows],
    )


def _cell(column: str, row: Row) -> str:
    if column == "run":
        # Show only the first of averaged runs: all names together are wider than a terminal.
        first, *others = str(row["run"]).split(";")
        return f"{first} +{len(others)}" if others else first
    return reading_cell(column, row)
