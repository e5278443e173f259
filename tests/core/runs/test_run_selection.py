"""Select the runs that can be inspected and compared by their predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.runs.reader import RunSnapshot, read_run
from core.runs.run_selection import evaluated_runs, next_evaluated, run_to_inspect


@pytest.fixture
def runs(write_run: Callable[..., Path]) -> list[RunSnapshot]:
    """Runs 5 to 1. Runs 4 and 2 have an evaluation."""
    return [read_run(write_run(str(n), evaluation={"accuracy": 0.5} if n in (2, 4) else None)) for n in (5, 4, 3, 2, 1)]


def test_those_that_have_an_evaluation(runs: list[RunSnapshot]):
    assert [run.name for run in evaluated_runs(runs)] == ["4", "2"]


@pytest.mark.parametrize(("wanted", "found"), [("1", "1"), ("2", "2"), (None, "4"), ("gone", "4")])
def test_the_run_to_inspect_is_the_wanted_one_else_the_newest_evaluated(
    runs: list[RunSnapshot], wanted: str | None, found: str
):
    run = run_to_inspect(runs, wanted)
    assert run is not None and run.name == found


def test_where_no_run_is_evaluated_it_is_the_newest(runs: list[RunSnapshot]):
    assert run_to_inspect([runs[0], runs[2]], None) is runs[0]
    assert run_to_inspect([], "1") is None


@pytest.mark.parametrize(
    ("name", "newer", "older"),
    [("5", None, "4"), ("4", None, "2"), ("3", "4", "2"), ("2", "4", None), ("1", "2", None)],
)
def test_the_next_evaluated_run_either_way(runs: list[RunSnapshot], name: str, newer: str | None, older: str | None):
    run = next(run for run in runs if run.name == name)
    found = (next_evaluated(runs, run, direction) for direction in (-1, 1))
    assert [other.name if other else None for other in found] == [newer, older]
