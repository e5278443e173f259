"""`fer-tui review`: list images that may be mislabeled."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from core.comparison.table_formats import find_format
from core.data.corrections import EXCLUDE, ReviewDecision, decisions_to_csv
from core.errors import RunError
from core.runs.reader import find_run
from core.system.log import log_to_file
from fer_tui.commands.options import JsonOption, RunArgument, RunsOption, resolve_runs_folder, write_target
from fer_tui.console import output
from fer_tui.console.terminal import app_log_path

SHOWN = 20


def review(
    context: typer.Context,
    run: RunArgument,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            metavar="K",
            min=2,
            max=100,
            help="Review the training images: train K models with the run's settings by K-fold cross-validation.",
            show_default=False,
        ),
    ] = None,
    first: Annotated[
        int | None,
        typer.Option(
            "--first",
            metavar="N",
            min=1,
            help="Number of images to list. [default: 20; all with --json]",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Write the first N images to a CSV for `fer-tui train --exclude`. Check them before you use it.",
            show_default=False,
        ),
    ] = None,
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """List the images whose label is most likely wrong.

    A run's model finds them in its validation split, or with --folds in the training split.
    """
    from core.evaluation.label_review import find_label_issues

    if target is not None:
        # Refuse the ending before models are trained.
        find_format(target, "csv")
    where = resolve_runs_folder(context, runs)
    judged = [find_run(run, where)]
    if folds is not None:
        status, judged = _train_folds(judged[0], folds, where)
        if status:
            return status
    with log_to_file(app_log_path()):
        found = find_label_issues(judged)
    shown = found[: first or (None if json and target is None else SHOWN)]
    if target is not None:
        decisions = [ReviewDecision(each.path, each.label, EXCLUDE, each.suggested) for each in shown]
        write_target(target, decisions_to_csv(decisions))
        output.print_message(
            f"wrote {target}: {len(shown):,} of {len(found):,} images; check them, then train with --exclude"
        )
    if json:
        output.print_json([asdict(each) for each in shown])
    elif target is None:
        output.print_table(
            {"quality": "right", "label": "left", "predicted": "left", "image": "left"},
            [((f"{each.quality:.4f}", each.label, each.suggested, each.path), "") for each in shown],
        )
    return 0


def _train_folds(run: Path, folds: int, where: Path) -> tuple[int, list[Path]]:
    """Train the folds that have no completed run yet; return the exit status and the run of every fold.

    Raises:
        RunError: a fold's run was stopped before it completed.
    """
    from core.evaluation.label_review import fold_configs, newest_run_per_config
    from core.runs.resume import load_config, requeue
    from core.runs.writer import create_runs
    from fer_tui.commands.train import train_runs

    configs = fold_configs(load_config(run), folds)
    known = newest_run_per_config(configs, where)
    todo = [found.path for found in known if found and found.state != "completed"]
    for path in todo:
        requeue(path)
    todo += create_runs([config for config, found in zip(configs, known, strict=True) if not found], where)
    if todo:
        output.print_message(f"training {len(todo)} of {folds} folds")
        status = train_runs(todo, json=False, is_reported=False)
        if status:
            return status, []
    done = [found for found in newest_run_per_config(configs, where) if found and found.state == "completed"]
    if len(done) < folds:
        raise RunError(f"{len(done)} of {folds} folds are trained; run the same command again to train the others")
    return 0, [found.path for found in done]
