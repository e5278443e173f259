"""`fer-tui evaluate`: evaluate runs' models on data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.comparison.table_formats import find_format
from core.config.setting_syntax import READING_SETTINGS
from core.errors import ConfigError, FerError
from core.runs.reader import find_run, read_run
from core.system import files
from core.system.log import log_to_file
from fer_tui.commands.inspect import FlipOption
from fer_tui.commands.options import JsonOption, RunsOption, complete_run, resolve_runs_folder, write_target
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
        typer.Option("--data", help="Data set to evaluate on. May be repeated.", show_default=False),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="Split: train, validation or test. [default: validation, or the only split]",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Write the table of runs by data sets to a file. Its ending decides the format: csv, md, tex or json.",
            show_default=False,
        ),
    ] = None,
    flip_average: FlipOption = None,
    runs: RunsOption = None,
    json: JsonOption = False,
    **flags: Any,
) -> int:
    """Evaluate kept models on a split of data sets. Several runs or data sets print a table of runs by data sets."""
    places = data or ([context.obj.data] if context.obj.data else [])
    if not places:
        raise ConfigError("data", "no data set given; name a folder of faces or a fer2013.csv")
    if target is not None:
        # Refuse the ending before the models are evaluated.
        find_format(target)
    settings = given_settings(flags)
    paths = [find_run(name, resolve_runs_folder(context, runs)) for name in names]
    datasets = _read_datasets(places, settings)
    if len(paths) == len(places) == 1 and target is None:
        (path,), (dataset,) = paths, datasets
        _report(path, _evaluate(path, dataset, split, flip_average), json=json)
        return 0
    rows = _cross_rows(paths, dict(zip(places, datasets, strict=True)), split, flip_average)
    if target is not None:
        _write_table(rows, target)
    elif json:
        output.print_json(rows)
    else:
        _print_table(rows)
    return 1 if any(row["error"] for row in rows) else 0


add_config_options(evaluate, READING_SETTINGS)


def _read_datasets(places: Sequence[Path], settings: Mapping[str, Any]) -> list[Dataset]:
    """Read the data sets. A renamed class must exist in at least one of them."""
    from core.data.class_names import rename_together
    from core.data.readers.reader_factory import read_dataset

    read = {name: value for name, value in settings.items() if name != "classes"}
    datasets = rename_together([read_dataset(place, **read) for place in places], settings.get("classes") or "")
    for dataset in datasets:
        output.print_warnings(dataset.problems)
    return datasets


def _evaluate(path: Path, dataset: Dataset, split: str | None, flip_average: bool | None) -> SplitMetrics:
    """Evaluate a run on a data set, and print the problems of decoding it."""
    from core.evaluation.inference import evaluate_run

    with log_to_file(app_log_path()):
        result, problems = evaluate_run(path, dataset, split, flip_average)
    output.print_warnings(problems)
    return result


def _cross_rows(
    paths: Sequence[Path], datasets: Mapping[Path, Dataset], split: str | None, flip_average: bool | None
) -> list[Row]:
    """Evaluate each run on each data set. Errors are printed and leave a blank cell."""
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


def _print_table(rows: Sequence[Row]) -> None:
    from core.comparison.cross_evaluation import cross_table

    columns, table = cross_table(rows)
    output.print_table(dict.fromkeys(columns, "left"), [([row[name] or "" for name in columns], "") for row in table])


def _write_table(rows: Sequence[Row], target: Path) -> None:
    """Write the table to a file in the format of its ending."""
    from core.comparison.cross_evaluation import format_cross_rows

    write_target(target, files.to_utf8(format_cross_rows(rows, find_format(target))))
    output.print_message(f"wrote {target}")


def _report(path: Path, result: SplitMetrics, *, json: bool) -> None:
    """Print one run's metrics on one data set: per class, then over all classes."""
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
        f"over {result['images']:,} images (always the most common class: {result['majority_accuracy']:.4f})",
        markup=False,
        soft_wrap=True,
    )
