"""`fer-tui export` and `fer-tui log`: write a run's model or its metrics for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.runs.reader import find_run
from core.system.log import log_to_file
from fer_tui.commands.options import JsonOption, RunArgument, RunsOption, resolve_runs_folder
from fer_tui.console import output
from fer_tui.console.terminal import app_log_path


def export(
    context: typer.Context,
    run: RunArgument,
    path: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="File to write, or folder for savedmodel.", show_default=False)
    ],
    file_format: Annotated[
        str,
        typer.Option(
            "--format", help="File format: keras, savedmodel, onnx or litert.", show_default=False, metavar="FORMAT"
        ),
    ],
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """Export a run's kept model to another format. Compare it with the original and write a model card."""
    from core.export.formats import export_run

    found = find_run(run, resolve_runs_folder(context, runs))
    with log_to_file(app_log_path()):
        done = export_run(found, file_format, path)
    if json:
        told = {"output": path, "card": done.card, "difference": done.difference, "images": done.images}
        output.print_json({"run": found.name, "format": file_format, **told})
    else:
        difference = (
            f"differ from the original's by up to {done.difference:.2g}" if done.difference else "are identical"
        )
        output.console().print(
            f"{output.escape_control(str(path))}: predictions {difference} on {done.origin}; the model card is "
            f"{output.escape_control(str(done.card))}",
            markup=False,
            soft_wrap=True,
        )
    return 0


def log(
    context: typer.Context,
    run: RunArgument,
    to: Annotated[
        str, typer.Option("--to", help="Tracker: tensorboard or mlflow.", show_default=False, metavar="WHERE")
    ],
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """Log a run to TensorBoard or MLflow. `train --track` does the same during training."""
    from core.export.tracker_registry import log_run

    found = find_run(run, resolve_runs_folder(context, runs))
    with log_to_file(app_log_path()):
        where = log_run(found, to)
    if json:
        output.print_json({"run": found.name, "to": to, "where": where})
    else:
        output.print_message(f"{found.name}: logged to {where}")
    return 0
