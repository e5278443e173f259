"""A sample of the kills of `make faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

AS_GPU = pytest.mark.parametrize("as_gpu", [False, True], ids=["cpu", "as a gpu"])


@AS_GPU
def test_killed_runs_end_as_undisturbed_ones(tmp_path: Path, as_gpu: bool):
    from kills import kill_at_random

    told = kill_at_random(tmp_path, kills=4, seed=1, as_gpu=as_gpu)
    assert told.kills == 4
    assert told.runs >= 1
    assert told.looks > 100


@AS_GPU
def test_a_process_that_ends_between_two_steps_loses_nothing(tmp_path: Path, as_gpu: bool):
    from steps import every_step

    steps, killed = every_step(tmp_path, every=20, as_gpu=as_gpu)
    assert steps > 30
    assert killed == -(-steps // 20)
