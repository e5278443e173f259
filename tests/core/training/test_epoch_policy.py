"""Decisions after an epoch, without a model."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.training_config import resolve
from core.runs.checkpoint import TrainingState
from core.training.epoch_policy import PLATEAU_FACTOR, EpochDecision, EpochPolicy


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


EPOCHS = st.lists(st.floats(0, 1) | st.just(math.nan), min_size=1, max_size=12)
SETTINGS = st.fixed_dictionaries(
    {
        "monitor": st.sampled_from(("val_loss", "val_accuracy")),
        "keep": st.sampled_from(("best", "last")),
        "schedule": st.sampled_from(("constant", "plateau")),
        "patience": st.none() | st.integers(0, 5),
        "min_delta": st.sampled_from((0.0, 0.01, 0.3)),
        "time_budget": st.none() | st.sampled_from(("3s", "7s")),
        "epochs": st.integers(1, 12),
    }
)


def decided(found: EpochPolicy, values: Sequence[float]) -> list[EpochDecision]:
    """The decisions after epochs of a second each."""
    return [found.end_epoch({"val_loss": value, "val_accuracy": value}, 1.0) for value in values]


@given(EPOCHS, SETTINGS, st.integers(0, 12))
def test_wherever_a_run_is_cut_it_decides_as_if_it_had_not_been(
    values: list[float], settings: dict[str, Any], cut: int
):
    whole, first = policy(**settings), policy(**settings)
    decisions = decided(whole, values)
    assert decided(first, values[:cut]) == decisions[:cut]
    second = policy(TrainingState(**asdict(first.state)), **settings)
    assert decided(second, values[cut:]) == decisions[cut:]
    assert repr(second.state) == repr(whole.state)
    assert second.is_finished() == whole.is_finished()
    assert second.early_end_reason() == whole.early_end_reason()


@given(EPOCHS, SETTINGS)
def test_the_epoch_that_is_kept_is_the_first_of_the_best(values: list[float], settings: dict[str, Any]):
    found = policy(**settings)
    kept = [number for number, each in enumerate(decided(found, values), start=1) if each.is_kept]
    assert kept[-1] == found.kept_epoch
    if settings["keep"] == "last":
        assert kept == list(range(1, len(values) + 1))
        return
    known = [value for value in values if not math.isnan(value)]
    best = (min if settings["monitor"] == "val_loss" else max)(known, default=None)
    assert found.kept_epoch == (1 if best is None else values.index(best) + 1)


@given(EPOCHS, SETTINGS)
def test_a_run_ends_for_one_of_three_reasons_and_names_it(values: list[float], settings: dict[str, Any]):
    found = policy(**settings)
    sign = 1 if settings["monitor"] == "val_loss" else -1
    reference, waited = math.inf, 0
    for number, value in enumerate(values[: settings["epochs"]], start=1):
        decided(found, [value])
        is_better = sign * value < reference - (settings["min_delta"] if reference < math.inf else 0)
        reference, waited = (sign * value, 0) if is_better else (reference, waited + 1)
        has_stalled = settings["patience"] is not None and waited >= max(settings["patience"], 1)
        budget = found._config.time_budget
        is_late = budget is not None and number > budget
        assert found.is_finished() == (number == settings["epochs"] or has_stalled or is_late)
        if number == settings["epochs"]:
            assert found.early_end_reason() == ""
        elif has_stalled:
            assert found.early_end_reason().endswith(f": {settings['monitor']} stopped improving")
        elif is_late:
            assert found.early_end_reason() == f"ended after {number} of {settings['epochs']} epochs: time budget"


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12, unique=True), st.integers(0, 3))
def test_a_run_goes_on_while_every_epoch_is_better(values: list[float], patience: int):
    found = policy(patience=patience, schedule="plateau", min_delta=0.0, epochs=20)
    assert all(each.rate_factor == 1 and each.is_kept for each in decided(found, sorted(values, reverse=True)))
    assert not found.is_finished()


def test_no_keras_is_needed():
    source = Path(str(sys.modules["core.training.epoch_policy"].__file__)).read_text()
    assert "import keras" not in source and "tensorflow" not in source
