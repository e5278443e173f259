"""Texts of the Inspect screen: the run's title, its empty states and the faces' title."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from core.runs.predictions import MatrixCell
from core.runs.reader import RunSnapshot
from fer_tui.console.output import escape_control
from fer_tui.widgets.run_names import short_name

EMPTY = """No runs yet in {folder}/, so there is nothing to inspect.

{train}: choose a model and start training. Its mistakes appear here when it is done. Or run this command:

  fer-tui train --data PATH --model compact"""
# State -> text for a run without an evaluation.
WITHOUT_FIGURES = {
    "queued": "This run is queued. Its confusion matrix appears when it is done.\n\n"
    "The Runs screen shows its progress.",
    "running": "This run is in epoch {epoch} of {epochs}. Its confusion matrix appears when it is done.\n\n"
    "The Runs screen shows its progress.",
    "completed": "Its evaluation.json is missing or damaged.\n\nRun 'fer-tui resume {name}' to evaluate it again.",
    "stopped": "This run was stopped before it was evaluated.\n\nRun 'fer-tui resume {name}' to resume it.",
    "interrupted": "This run was interrupted before it was evaluated.\n\nRun 'fer-tui resume {name}' to resume it.",
    "failed": "This run failed{message}\n\nThe Runs screen shows its log. Run 'fer-tui resume {name}' to try again.",
    "diverged": "This run diverged before its first epoch was done{message}\n\nTrain it with a lower learning rate.",
}


def without_figures(run: RunSnapshot | None, folder: Path, train: str) -> str:
    """Return the text that replaces the confusion matrix if the run, or any run, is missing it.

    Args:
        run: the run; None if the folder has no runs.
        folder: the folder of runs.
        train: the label of the Train tab.
    """
    if run is None:
        return EMPTY.format(folder=escape_control(str(folder)), train=train)
    state = run.state if run.evaluation is None else "completed"
    return WITHOUT_FIGURES[state].format(
        name=escape_control(run.name),
        message=f": {escape_control(run.message)}" if run.message else ".",
        epoch=run.status.get("epoch") or 0,
        epochs=run.config.get("epochs", "?"),
    )


def run_title(run: RunSnapshot) -> Text:
    """Return the run's name, model and metrics in one line."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{escape_control(short_name(run.name))}  {escape_control(run.model)}", style="bold").append(
        " ▾  ", style="dim"
    )
    if run.state != "completed":
        text.append(f"{run.state}  ")
    for heading, value in (("acc", run.metrics.get("accuracy")), ("macro F1", run.metrics.get("macro_f1"))):
        if value is not None:
            text.append(f"{heading} {value:.4f}  ")
    return text


def faces_title(cell: MatrixCell | None, found: int) -> str:
    """Return the title of the faces: how many there are and in which order."""
    if cell is None:
        return f"{found:,} mistakes, most confident first" if found else "No mistakes: every prediction is correct"
    label, predicted = cell
    if label == predicted:
        return f"{found:,} {label} correct, least confident first" if found else f"No {label} image is correct"
    if not found:
        return f"No {label} image is predicted as {predicted}"
    return f"{found:,} {label} predicted as {predicted}, most confident first"
