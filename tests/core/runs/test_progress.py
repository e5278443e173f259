"""Estimate the remaining time of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from core.runs.progress import time_left
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
