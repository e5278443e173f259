"""`fer-tui export` and `fer-tui log`: a run's model, and a run, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.runs.reader import find_run
from core.system.log import output_to
from fer_tui.commands.options import JsonOption, RunArgument, RunsOption, folder
from fer_tui.console import output
from fer_tui.console.terminal import app_log


def export(
    context: typer.Context,
    run: RunArgument,
    path: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="File to write; savedmodel writes a folder.", show_default=False)
    ],
    form: Annotated[
        str, typer.Option("--format", help="keras, savedmodel, onnx or litert.", show_default=False, metavar="FORMAT")
    ],
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """Write a run's kept model for other programs, checked against the original, with a model card."""
    from core.export.formats import export_run

    found = find_run(run, folder(context, runs))
    with output_to(app_log()):
        done = export_run(found, form, path)
    if json:
        told = {"output": path, "card": done.card, "difference": done.difference, "images": done.images}
        output.print_json({"run": found.name, "format": form, **told})
    else:
        output.console().print(
            f"{output.escape_control(str(path))}: differs from the original by up to {done.difference:.2g} on "
            f"{done.origin}; "
            f"its model card is {output.escape_control(str(done.card))}",
            markup=False,
            soft_wrap=True,
        )
    return 0


def log(
    context: typer.Context,
    run: RunArgument,
    to: Annotated[str, typer.Option("--to", help="tensorboard or mlflow.", show_default=False, metavar="WHERE")],
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """Log a run to TensorBoard or MLflow, as `train --track` does while it trains."""
    from core.export.tracking import log_run

    found = find_run(run, folder(context, runs))
    with output_to(app_log()):
        where = log_run(found, to)
    if json:
        output.print_json({"run": found.name, "to": to, "where": where})
    else:
        output.say(f"{found.name}: logged to {where}")
    return 0
