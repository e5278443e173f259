"""A sample of what `make faults` does whole."""

from __future__ import annotations

from pathlib import Path


def test_killed_runs_end_as_undisturbed_ones(tmp_path: Path):
    from kills import campaign

    told = campaign(tmp_path, kills=4, seed=1)
    assert told.kills == 4
    assert told.runs >= 1
    assert told.looks > 100


def test_a_process_that_ends_between_two_steps_loses_nothing(tmp_path: Path):
    from steps import every_step

    steps, killed = every_step(tmp_path, every=20)
    assert steps > 30
    assert killed == -(-steps // 20)
