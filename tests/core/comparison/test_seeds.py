from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.comparison.table import compare
from core.runs.history import HISTORY_COLUMNS
from core.runs.reader import RunSnapshot, read_run
from fer_tui.commands.runs import print_comparison

COUNTS = {"train": {"a": 60, "b": 30}, "validation": {"a": 5, "b": 5}}
INTERVALS = {"accuracy": [0.5, 0.7], "macro_f1": [0.4, 0.6]}


@pytest.fixture
def run(write_run: Callable[..., Path]) -> Callable[..., RunSnapshot]:
    """A run whose kept epoch has the given validation accuracy, and whose macro F1 is 0.1 lower."""

    def run(
        name: str, accuracy: float, epochs: int = 1, fingerprint: str = "f1", state: str = "completed", **config: Any
    ):
        figures = dict.fromkeys(HISTORY_COLUMNS, math.nan) | {"val_accuracy": accuracy, "val_loss": 1.0, "seconds": 2.0}
        evaluation = {
            "accuracy": accuracy,
            "macro_f1": accuracy - 0.1,
            "intervals": INTERVALS,
            "leak_free_accuracy": 0.5,
        }
        return read_run(
            write_run(
                name,
                config=config,
                status={"state": state},
                environment={"fingerprint": fingerprint, "counts": COUNTS},
                evaluation=evaluation,
                history=[{**figures, "epoch": epoch + 1} for epoch in range(epochs)],
            )
        )

    return run


MakeRun = Callable[..., RunSnapshot]


def averaged(*runs: RunSnapshot) -> list[Any]:
    return [
        row
        for row in compare(runs, with_published=False, average_seeds=True)
        if row["run"] not in ("majority", "chance")
    ]


def test_seeds_of_one_setting_are_a_row_with_mean_and_deviation(run: MakeRun):
    (row,) = averaged(run("r1", 0.5, seed=1), run("r2", 0.6, seed=2), run("r3", 0.7, 2, seed=3))
    # The mean of 0.5, 0.6 and 0.7, and the square root of (0.01 + 0 + 0.01) / 2.
    assert (row["val_accuracy"], row["val_accuracy_sd"]) == (0.6, 0.1)
    assert (row["val_macro_f1"], row["val_macro_f1_sd"]) == (0.5, 0.1)
    assert (row["whole_accuracy"], row["leak_free_accuracy"]) == (0.6, 0.5)
    assert (row["seeds"], row["run"], row["epochs"], row["seconds"]) == (3, "r1;r2;r3", 1, 2.7)
    assert row["whole_accuracy_low"] is row["macro_f1_high"] is None


def test_what_differs_in_more_than_its_seed_has_a_row_of_its_own(run: MakeRun):
    first, other = run("r1", 0.5, seed=1), run("r2", 0.6, seed=2, width=2.0)
    noise, elsewhere = run("r3", 0.1, seed=3, control="noise"), run("r4", 0.7, seed=4, fingerprint="f2")
    assert [row["seeds"] for row in averaged(first, other, noise, elsewhere)] == [1, 1, 1, 1]


def test_where_it_was_trained_is_no_difference(run: MakeRun):
    (row,) = averaged(run("r1", 0.5, seed=1, data="/here", devices="cpu"), run("r2", 0.6, seed=2, data="/there"))
    assert row["seeds"] == 2


def test_what_has_not_completed_is_no_part_of_a_mean(run: MakeRun):
    rows = averaged(run("r1", 0.5, seed=1), run("r2", 0.1, seed=2, state="failed"), run("r3", 0.7, seed=3))
    assert [(row["run"], row["seeds"]) for row in rows] == [("r1;r3", 2), ("r2", 1)]
    assert rows[0]["val_accuracy"] == 0.6


def test_a_row_stands_where_its_first_run_stood(run: MakeRun):
    rows = averaged(run("r1", 0.5, seed=1), run("r2", 0.4, seed=1, model="model2"), run("r3", 0.7, seed=3))
    assert [row["run"] for row in rows] == ["r1;r3", "r2"]


def test_a_figure_that_one_seed_lacks_has_no_mean(run: MakeRun):
    (row,) = averaged(run("r1", 0.5, seed=1), run("r2", math.nan, seed=2))
    assert row["val_accuracy"] is row["val_accuracy_sd"] is None
    assert row["seeds"] == 2


def test_not_averaged_a_run_has_its_intervals_and_no_deviation(run: MakeRun):
    row = compare([run("r1", 0.6, seed=1)], with_published=False)[0]
    ends = ("whole_accuracy_low", "whole_accuracy_high", "macro_f1_low", "macro_f1_high")
    assert [row[end] for end in ends] == [0.5, 0.7, 0.4, 0.6]
    assert (row["seeds"], row["val_accuracy_sd"], row["val_macro_f1_sd"]) == (1, None, None)


def test_a_setting_that_an_older_version_did_not_have_is_at_its_default(run: MakeRun):
    (row,) = averaged(run("r1", 0.5, seed=1), run("r2", 0.6, seed=2, momentum=0.9, track="both", image_memory=1))
    assert row["seeds"] == 2
    assert len(averaged(run("r3", 0.5, seed=1), run("r4", 0.6, seed=2, momentum=0.8))) == 2


def test_the_command_names_the_first_of_averaged_runs(run: MakeRun, capsys: pytest.CaptureFixture[str]):
    print_comparison(averaged(run("r1", 0.5, seed=1), run("r2", 0.6, seed=2), run("r3", 0.7, momentum=0.8)))
    shown = [line.split()[-1] if line.split() else "" for line in capsys.readouterr().out.splitlines()]
    assert "+1" in shown and "r3" in shown
    assert not any(";" in each for each in shown)
