"""The runs of a list that have been evaluated: those that can be inspected and tested against each other."""

from __future__ import annotations

from collections.abc import Sequence

from core.runs.reader import RunSnapshot


def evaluated_runs(runs: Sequence[RunSnapshot]) -> list[RunSnapshot]:
    """The runs that have an evaluation, in their order."""
    return [run for run in runs if run.evaluation is not None]


def run_to_inspect(runs: Sequence[RunSnapshot], wanted: str | None) -> RunSnapshot | None:
    """The run of the wanted name, else the newest that is evaluated, else the newest; None where there is no run.

    Args:
        runs: newest first.
        wanted: the name of a run.
    """
    named = [run for run in runs if run.name == wanted]
    return next(iter((*named, *evaluated_runs(runs), *runs)), None)


def next_evaluated(runs: Sequence[RunSnapshot], run: RunSnapshot, direction: int) -> RunSnapshot | None:
    """The next evaluated run that is newer (-1) or older (1) than a run; None where there is none.

    Args:
        runs: newest first.
        run: any run.
        direction: -1 or 1, as places in the list go.
    """
    if direction < 0:
        return next((other for other in reversed(evaluated_runs(runs)) if other.name > run.name), None)
    return next((other for other in evaluated_runs(runs) if other.name < run.name), None)
