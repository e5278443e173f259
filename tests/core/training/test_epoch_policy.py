"""Decisions after an epoch, without a model."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core.config.training_config import resolve
from core.runs.checkpoint import TrainingState
from core.training.epoch_policy import PLATEAU_FACTOR, EpochPolicy


def policy(state: TrainingState | None = None, **settings: Any) -> EpochPolicy:
    config = resolve({"data": Path("faces"), "model": "compact", "schedule": "constant", **settings})
    return EpochPolicy(config, state or TrainingState())


def after(losses: Sequence[float], seconds: float = 1.0, **settings: Any) -> EpochPolicy:
    found = policy(**settings)
    for loss in losses:
        found.end_epoch({"val_loss": loss, "val_accuracy": 1 - loss}, seconds)
    return found


@pytest.mark.parametrize(
    ("settings", "losses", "kept"),
    [
        ({}, [0.5, 0.3, 0.4], [True, True, False]),
        ({"keep": "last"}, [0.5, 0.3, 0.4], [True, True, True]),
        ({"monitor": "val_accuracy"}, [0.5, 0.6, 0.4], [True, False, True]),
        # The first epoch is always kept, because a run needs a model.
        ({}, [math.nan, math.nan, 0.9], [True, False, True]),
        ({}, [0.5, 0.5], [True, False]),
    ],
)
def test_the_best_epoch_is_kept(settings: dict[str, Any], losses: list[float], kept: list[bool]):
    found = policy(**settings)
    decided = [found.end_epoch({"val_loss": x, "val_accuracy": 1 - x}, 1.0).is_kept for x in losses]
    assert decided == kept
    assert found.kept_epoch == len(losses) - kept[::-1].index(True)


def test_without_patience_nothing_stops_early():
    found = after([0.1] * 29, patience=None, epochs=30)
    assert not found.is_finished()
    found.end_epoch({"val_loss": 0.1}, 1.0)
    assert found.is_finished() and found.early_end_reason() == ""


@pytest.mark.parametrize(("patience", "waited"), [(0, 1), (1, 1), (3, 3)])
def test_a_run_stops_after_its_patience(patience: int, waited: int):
    assert not after([0.5] * waited, patience=patience, epochs=30).is_finished()
    found = after([0.5] * (waited + 1), patience=patience, epochs=30)
    assert found.is_finished()
    assert found.early_end_reason() == f"ended after {waited + 1} of 30 epochs: val_loss stopped improving"


def test_a_change_below_min_delta_is_the_best_one_and_stops_early_all_the_same():
    found = after([0.5, 0.49, 0.48], patience=2, min_delta=0.05, epochs=30)
    assert found.is_finished()
    assert found.kept_epoch == 3


def test_the_rate_drops_after_three_epochs_without_a_better_one():
    found = policy(schedule="plateau", patience=None)
    factors = [found.end_epoch({"val_loss": x}, 1.0).rate_factor for x in (0.5, 0.6, 0.6, 0.6, 0.6, 0.4, 0.5, 0.5, 0.5)]
    assert factors == [1, 1, 1, PLATEAU_FACTOR, 1, 1, 1, 1, PLATEAU_FACTOR]


def test_no_epoch_begins_that_would_end_after_the_time_budget():
    found = after([0.5, 0.4], seconds=10.0, time_budget="25s", epochs=30)
    assert not found.is_finished(next_epoch=5.0)
    assert found.is_finished(next_epoch=10.0)
    assert found.early_end_reason() == "ended after 2 of 30 epochs: time budget"


def test_a_policy_goes_on_from_a_state_as_if_it_had_never_ended():
    losses = [0.5, 0.4, 0.45, 0.44, 0.43, 0.39, 0.5, 0.5, 0.5]
    settings: dict[str, Any] = {"schedule": "plateau", "patience": 5, "epochs": 30}
    whole = policy(**settings)
    decided = [whole.end_epoch({"val_loss": loss}, 2.0) for loss in losses]
    for cut in range(len(losses)):
        first = after(losses[:cut], seconds=2.0, **settings)
        second = policy(first.state, **settings)
        assert [second.end_epoch({"val_loss": loss}, 2.0) for loss in losses[cut:]] == decided[cut:]
        assert second.state == whole.state


def test_no_keras_is_needed():
    source = Path(str(sys.modules["core.training.epoch_policy"].__file__)).read_text()
    assert "import keras" not in source and "tensorflow" not in source
