"""`fer-tui runs` and `fer-tui compare`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from core.comparison.columns import COLUMNS, Row, is_reference
from core.comparison.table_formats import cell, format_table, model_cell
from core.errors import ConfigError, RunError
from core.runs.progress import describe_silence
from core.runs.reader import RunSnapshot, find_run, list_runs, read_run
from core.system import files
from fer_tui.commands.options import JsonOption, RunsOption, complete_run, resolve_runs_folder
from fer_tui.commands.run_json import run_summary
from fer_tui.console import output
from fer_tui.console.state_colours import terminal_style

FORMATS = ("table", "csv", "markdown", "latex", "json")


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
        str,
        typer.Option("--format", metavar="|".join(FORMATS), help="Output format.", autocompletion=lambda: FORMATS),
    ] = "table",
    target: Annotated[
        Path | None,
        typer.Option(
            "--output", help="Write the table to a file, as CSV unless --format is given.", show_default=False
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

    if table_format not in FORMATS:
        raise ConfigError("format", f"unknown format '{table_format}'; choose from {', '.join(FORMATS)}")
    where = resolve_runs_folder(context, runs)
    if tested:
        if target is not None:
            raise ConfigError("target", "can't be combined with --test, which prints its result on stdout; remove one")
        return _test(*(find_run(name, where) for name in tested), form=table_format)
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
    if target is None and table_format == "table":
        print_comparison(rows)
        return 0
    if target is None and table_format == "json":
        output.print_json(rows)
        return 0
    text = format_table(rows, "csv" if table_format == "table" else table_format)
    if target is None:
        output.print_lines(text)
        return 0
    try:
        files.write_output(target, files.to_utf8(text))
    except OSError as error:
        raise RunError("target", f"{target}: {error.strerror}; name a file that can be written") from None
    output.print_message(f"wrote {target}")
    return 0


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


# A terminal shows the most important columns; exports contain all columns.
NARROW = ("model", "epochs", "train_accuracy", "val_accuracy", "val_loss", "val_macro_f1", "warnings")
WIDE = (
    *("model", "protocol", "epochs", "params", "train_accuracy", "val_accuracy", "val_loss", "val_balanced_accuracy"),
    *("val_macro_f1", "whole_accuracy", "whole_accuracy_low", "whole_accuracy_high", "leak_free_accuracy"),
    *("seconds", "run", "warnings"),
)
WIDE_FROM = 160
# Columns that are shown beside another column if a row has a value for them.
BESIDE = {
    "control_val_accuracy": "val_accuracy",
    "val_accuracy_sd": "val_accuracy",
    "seeds": "model",
    "val_macro_f1_sd": "val_macro_f1",
}


def print_comparison(rows: list[Row]) -> None:
    """Print the table with runs first, and with baselines and the article's rows dimmed."""
    shown = WIDE if output.console().width >= WIDE_FROM else NARROW
    for column, beside in BESIDE.items():
        if any(row[column] not in (None, 1) for row in rows):
            at = shown.index(beside) + 1
            shown = (*shown[:at], column, *shown[at:])
    output.print_table(
        {COLUMNS[c].heading: "right" if COLUMNS[c].is_number else "left" for c in shown},
        [
            (
                [_cell(c, row) for c in shown],
                "dim" if is_reference(row) else "",
            )
            for row in rows
        ],
    )


def _cell(column: str, row: Row) -> str:
    if column == "run":
        # Show only the first of averaged runs: all names together are wider than a terminal.
        first, *others = str(row["run"]).split(";")
        return f"{first} +{len(others)}" if others else first
    return model_cell(row) if column == "model" else cell(column, row[column])
