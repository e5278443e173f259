"""Estimate the remaining time of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.runs.progress import EpochLines, describe_ending, time_left
from core.runs.reader import read_run

NAN = float("nan")


@pytest.mark.parametrize(
    ("seconds", "status", "left"),
    [
        ([], {}, None),
        ([NAN], {}, None),
        ([10], {}, 90),
        # The first epochs are slow because they trace the graph.
        ([100, 10, 30, 12], {}, 6 * 12),
        ([10, NAN], {}, 80),
        ([10], {"epoch": 2, "batch": 5, "batches": 10}, 85),
        # Ignored or clipped: a batch of the previous epoch, an unknown number of batches, a batch beyond that number.
        ([10], {"epoch": 1, "batch": 5, "batches": 10}, 90),
        ([10], {"epoch": 2, "batch": 5, "batches": None}, 90),
        ([10], {"epoch": 2, "batch": 5, "batches": 0}, 90),
        ([10], {"epoch": 2, "batch": 15, "batches": 10}, 80),
        ([10] * 12, {}, 0),
    ],
)
def test_the_time_left(write_run: Callable[..., Path], seconds: list[float], status: Mapping[str, Any], left: Any):
    history = [{"epoch": number, "seconds": took} for number, took in enumerate(seconds, 1)]
    run = read_run(write_run(config={"epochs": 10}, status=status, history=history))
    assert time_left(run) == left


def test_of_a_run_without_a_number_of_epochs_nothing_is_known(write_run: Callable[..., Path]):
    run = read_run(write_run(config={"epochs": None}, history=[{"epoch": 1, "seconds": 10}]))
    assert time_left(run) is None


def row(epoch: int, **more: float) -> dict[str, float]:
    figures = {"loss": 1, "accuracy": 0.5, "val_loss": 2, "val_accuracy": 0.25, "images_per_second": 1234.5}
    return {**figures, "epoch": epoch, **more}


def test_each_new_epoch_has_a_line(write_run: Callable[..., Path]):
    run, lines = read_run(write_run("one", config={"epochs": 10}, history=[row(1), row(2)])), EpochLines()
    assert lines.new(replace(run, history=run.history[:1])) == []
    line = "one  epoch 2/10  loss 1.0000  accuracy 0.5000  val_loss 2.0000  val_accuracy 0.2500  1,234 images/s"
    assert lines.new(run) == [line]
    assert lines.new(run) == []
    # An older checkpoint was resumed.
    assert lines.new(replace(run, history=run.history[:1])) == []
    assert lines.new(run) == [line]


@pytest.mark.parametrize(
    ("state", "end"),
    [("completed", ""), ("diverged", ""), ("stopped", "; resume it"), ("failed", "; resume it")],
)
def test_the_ending_has_advice_where_a_run_can_be_resumed(write_run: Callable[..., Path], state: str, end: str):
    run = read_run(write_run("one", status={"state": state, "message": "why"}, history=[row(1), row(2, val_loss=1)]))
    assert describe_ending(run, "resume it") == f"one  {state}: val_accuracy 0.2500 in epoch 2; why{end}"
