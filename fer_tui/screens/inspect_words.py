"""What the Inspect screen says in words: of a run, of what it lacks, of the faces below."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from core.runs.predictions import MatrixCell
from core.runs.reader import RunSnapshot
from fer_tui.console.output import escape_control
from fer_tui.widgets.run_names import short_name

EMPTY = """No runs yet in {folder}/, so there is nothing to inspect.

{train}: choose a model and start its training; when it is done its mistakes are shown here. The same by a command:

  fer-tui train --data PATH --model compact"""
# What is to be said, by state, of a run that has no figures of its classes.
WITHOUT_FIGURES = {
    "queued": "It waits in a queue. Its confusion matrix comes when it is done.\n\nRuns shows how it goes.",
    "running": "It is under way: epoch {epoch} of {epochs}. Its confusion matrix comes when it is done.\n\n"
    "Runs shows how it goes.",
    "completed": "Its evaluation.json is missing or damaged.\n\n'fer-tui resume {name}' evaluates it anew.",
    "stopped": "It was stopped before it was evaluated.\n\n'fer-tui resume {name}' goes on with it.",
    "interrupted": "It was interrupted before it was evaluated.\n\n'fer-tui resume {name}' goes on with it.",
    "failed": "It failed{message}\n\nIts log is in Runs; 'fer-tui resume {name}' tries again.",
    "diverged": "It diverged before its first epoch was done{message}\n\nTrain it with a lower learning rate.",
}


def without_figures(run: RunSnapshot | None, folder: Path, train: str) -> str:
    """What is to be seen of a run without a confusion matrix, or without any run, and what to do.

    Args:
        run: the run, None where the folder has none.
        folder: of the runs.
        train: the tab of the mode that starts one.
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
    """A run and its figures in one line."""
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
    """What the faces below it are."""
    if cell is None:
        return f"{found:,} mistakes, the surest first" if found else "No mistakes: every image was told right"
    label, said = cell
    if label == said:
        return f"{found:,} {label} told right, the least sure first" if found else f"No {label} was told right"
    return f"{found:,} {label} taken for {said}, the surest first" if found else f"No {label} was taken for {said}"
