"""Select evaluated runs from a list. Only these can be inspected and compared by their predictions."""

from __future__ import annotations

from collections.abc import Sequence

from core.runs.reader import RunSnapshot


def evaluated_runs(runs: Sequence[RunSnapshot]) -> list[RunSnapshot]:
    """Return the runs that have an evaluation, in the given order."""
    return [run for run in runs if run.evaluation is not None]


def run_to_inspect(runs: Sequence[RunSnapshot], wanted: str | None) -> RunSnapshot | None:
    """Return the run with the wanted name, else the newest evaluated run, else the newest run; None without runs.

    Args:
        runs: newest first.
        wanted: a run's name; None to choose the newest.
    """
    named = [run for run in runs if run.name == wanted]
    return next(iter((*named, *evaluated_runs(runs), *runs)), None)


def next_evaluated(runs: Sequence[RunSnapshot], run: RunSnapshot, direction: int) -> RunSnapshot | None:
    """Return the evaluated run that is the next newer or the next older one; None if there is no such run.

    Args:
        runs: newest first.
        run: the run to start from, evaluated or not.
        direction: -1 for newer, 1 for older.
    """
    if direction < 0:
        return next((other for other in reversed(evaluated_runs(runs)) if other.name > run.name), None)
    return next((other for other in evaluated_runs(runs) if other.name < run.name), None)
