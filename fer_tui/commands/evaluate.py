"""`fer-tui evaluate`: runs' models on data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import ConfigError, FerError, RunError
from core.runs.reader import find_run, read_run
from core.system import files
from core.system.log import log_to_file
from fer_tui.commands.inspect import FlipOption
from fer_tui.commands.options import JsonOption, RunsOption, complete_run, resolve_runs_folder
from fer_tui.commands.runs import FORMATS
from fer_tui.commands.setting_options import add_config_options, given_settings
from fer_tui.console import output
from fer_tui.console.terminal import app_log_path

if TYPE_CHECKING:
    from core.comparison.columns import Row
    from core.data.dataset import Dataset
    from core.evaluation.inference import SplitMetrics


def evaluate(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Run directories, unique prefixes of their names, or 'latest'.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Data set to evaluate on; give it again for more.", show_default=False),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="train, validation or test; else the only one, else validation.",
            show_default=False,
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="|".join(FORMATS),
            help="How to print a table of runs by data sets. Or a format that 'fer-tui data formats' lists: how to "
            "read the data sets. Give it again for both.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Write the table to a file (csv, md, tex or json, by its ending where no format is given).",
            show_default=False,
        ),
    ] = None,
    flip_average: FlipOption = None,
    runs: RunsOption = None,
    json: JsonOption = False,
    **flags: Any,
) -> int:
    """Evaluate runs' kept models on a split of any data sets; several give a table of runs by data sets."""
    places = data or ([context.obj.data] if context.obj.data else [])
    if not places:
        raise ConfigError("data", "no data set given; name a folder of faces or a fer2013.csv")
    form, reading = _split_formats(formats or (), target)
    if json and form not in (None, "json"):
        raise ConfigError("json", f"--json prints JSON, and the format is {form}; leave one out")
    settings = given_settings({**flags, **reading})
    paths = [find_run(name, resolve_runs_folder(context, runs)) for name in names]
    datasets = _read_datasets(places, settings)
    if len(paths) == len(places) == 1 and form is None:
        (path,), (dataset,) = paths, datasets
        _report(path, _evaluate(path, dataset, split, flip_average), json=json)
        return 0
    rows = _cross_rows(paths, dict(zip(places, datasets, strict=True)), split, flip_average)
    _write_table(rows, form or ("json" if json else "table"), target)
    return 1 if any(row["error"] for row in rows) else 0


add_config_options(evaluate, ("votes", "classes"))


def _split_formats(formats: Sequence[str], target: Path | None) -> tuple[str | None, dict[str, str]]:
    """The format of the table, None where nothing tells, and the setting `format` where it is given."""
    from core.comparison.table_formats import format_of_file

    tables = [name for name in formats if name in FORMATS]
    readers = [name for name in formats if name not in FORMATS]
    if len(tables) > 1 or len(readers) > 1:
        raise ConfigError("format", f"give one format of the table and one of the data (got {', '.join(formats)})")
    form = tables[0] if tables else None
    if target is not None:
        form = format_of_file(target) if form in (None, "table") else form
    return form, {"format": readers[0]} if readers else {}


def _read_datasets(places: Sequence[Path], settings: Mapping[str, Any]) -> list[Dataset]:
    """Read the data sets; a class to rename need be in one of them only."""
    from core.data.class_names import rename_classes
    from core.data.readers.reader_factory import read_dataset

    classes = settings.get("classes")
    read = {name: value for name, value in settings.items() if name != "classes"}
    datasets = [read_dataset(place, **read) for place in places]
    if classes:
        others = {name for each in datasets for name in each.classes}
        datasets = [rename_classes(each, classes, others=others) for each in datasets]
    for dataset in datasets:
        output.print_warnings(dataset.problems)
    return datasets


def _evaluate(path: Path, dataset: Dataset, split: str | None, flip_average: bool | None) -> SplitMetrics:
    """The figures of a run on a data set; what decoding met is printed."""
    from core.evaluation.inference import evaluate_run

    with log_to_file(app_log_path()):
        result, problems = evaluate_run(path, dataset, split, flip_average)
    output.print_warnings(problems)
    return result


def _cross_rows(
    paths: Sequence[Path], datasets: Mapping[Path, Dataset], split: str | None, flip_average: bool | None
) -> list[Row]:
    """Every run on every data set; an error is printed and leaves its cell blank."""
    from core.comparison.cross_evaluation import cross_row

    rows: list[Row] = []
    for path in paths:
        run = read_run(path)
        for place, dataset in datasets.items():
            try:
                rows.append(cross_row(run, place, _evaluate(path, dataset, split, flip_average)))
            except FerError as error:
                output.print_error(f"{run.name} on {place}: {error}")
                rows.append(cross_row(run, place, None, str(error)))
    return rows


def _write_table(rows: Sequence[Row], form: str, target: Path | None) -> None:
    """Print the table, or write it to a file."""
    from core.comparison.cross_evaluation import CROSS_COLUMNS, cross_table
    from core.comparison.table_formats import format_table

    if form == "json" and target is None:
        output.print_json(list(rows))
        return
    columns, table = (CROSS_COLUMNS, rows) if form in ("csv", "json") else cross_table(rows)
    if form == "table":
        output.print_table(
            dict.fromkeys(columns, "left"), [([row[name] or "" for name in columns], "") for row in table]
        )
        return
    text = format_table(table, form, columns)
    if target is None:
        output.print_lines(text)
        return
    try:
        files.write_output(target, text.encode(errors="surrogateescape"))
    except OSError as error:
        raise RunError("target", f"{target}: {error.strerror}; name a file that can be written") from None
    output.print_message(f"wrote {target}")


def _report(path: Path, result: SplitMetrics, *, json: bool) -> None:
    """One run on one data set: its classes, then the figures over all of them."""
    if json:
        output.print_json(result)
        return
    output.print_table(
        {"class": "left", "precision": "right", "recall": "right", "F1": "right", "images": "right"},
        [
            (
                (
                    name,
                    f"{row['precision']:.4f}",
                    f"{row['recall']:.4f}",
                    f"{row['f1']:.4f}",
                    f"{row['support']:,}",
                ),
                "",
            )
            for name, row in result["per_class"].items()
        ],
    )
    low, high = result["intervals"]["accuracy"]
    output.console().print(
        f"{path.name} on {result['split']}: accuracy {result['accuracy']:.4f} (95 %: {low:.3f} to {high:.3f}), "
        f"balanced {result['balanced_accuracy']:.4f}, macro F1 {result['macro_f1']:.4f} "
        f"over {result['images']:,} images (always the commonest class: {result['majority_accuracy']:.4f})",
        markup=False,
        soft_wrap=True,
    )
