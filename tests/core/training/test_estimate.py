from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.config.training_config import resolve
from core.models.registry import MODELS
from core.runs.history import HISTORY_COLUMNS
from core.runs.reader import read_run
from core.training.estimate import (
    Pace,
    approximate_duration,
    epoch_macs,
    epoch_seconds,
    measure_pace,
    past_pace,
    train_validation_counts,
)


def config(model: str = "compact", **settings: Any):
    return resolve({"data": "faces", "model": model, **settings})


def rows(*seconds: float) -> list[dict[str, float]]:
    return [dict.fromkeys(HISTORY_COLUMNS, 0.5) | {"epoch": n, "seconds": s} for n, s in enumerate(seconds, 1)]


@pytest.fixture
def past(write_run: Callable[..., Path]):
    """Write and read a run of this host with 1,000 training images and 100 validation images."""

    def run(name: str, model: str = "compact", seconds: tuple[float, ...] = (50, 10, 12, 11), **environment: Any):
        stored = config(model).model_dump(mode="json")
        told = {"host": platform.node(), "train_images": 1000, "validation_images": 100, **environment}
        return read_run(write_run(name, config=stored, environment=told, history=rows(*seconds)))

    return run


def test_work_grows_with_images_size_and_width():
    macs = MODELS["compact"].macs
    assert epoch_macs(config(), 1000, 100) == macs * 3100
    assert epoch_macs(config(image_size=96), 1000, 100) == 4 * macs * 3100
    assert epoch_macs(config(width=0.5), 1000, 100) == macs * 3100 / 4


def test_work_respects_the_limit_and_the_articles_steps():
    macs = MODELS["compact"].macs
    assert epoch_macs(config(limit=200), 1000, 100) == macs * 700
    assert epoch_macs(config(limit=5000), 1000, 100) == macs * 3100
    # 1,000 // 64 and 100 // 64 steps of 64 images. Model 3 uses the divisor 128.
    assert epoch_macs(config(protocol="published"), 1000, 100) == macs * (3 * 15 * 64 + 64)
    model3 = epoch_macs(config("model3", protocol="published"), 1000, 200)
    assert model3 == MODELS["model3"].macs * (3 * 7 * 64 + 64)


@pytest.mark.parametrize(
    ("counts", "images"),
    [
        ({"train": {"happy": 60, "sad": 40}, "validation": {"happy": 5, "sad": 5}}, (100, 10)),
        ({"train": {"happy": 60, "sad": 40}, "test": {"sad": 7}}, (90, 10)),
        ({"all": {"happy": 60, "sad": 40}}, (90, 10)),
        ({}, (0, 0)),
    ],
)
def test_images_of_a_data_set(counts: dict[str, dict[str, int]], images: tuple[int, int]):
    assert train_validation_counts(counts, 0.1) == images


def test_a_past_run_gives_its_own_time_again(past: Callable[..., Any]):
    pace = past_pace(config(), [past("a")])
    assert pace is not None and "this model" in pace.basis
    # The first epoch includes tracing, and is ignored if there are other epochs.
    assert pace.seconds_per_mac * epoch_macs(config(), 1000, 100) == pytest.approx(11)


def test_a_run_of_the_model_wins_over_a_newer_one_of_another(past: Callable[..., Any]):
    runs = [past("b", "model2", (1,)), past("a")]
    pace = past_pace(config(), runs)
    assert pace is not None and "this model" in pace.basis
    other = past_pace(config("model3"), runs)
    assert other is not None and "model2" in other.basis


@pytest.mark.parametrize(
    "environment", [{"host": "elsewhere"}, {"train_images": 0}, {"train_images": None}, {"validation_images": "many"}]
)
def test_runs_that_cannot_tell_are_passed_over(past: Callable[..., Any], environment: dict[str, Any]):
    assert past_pace(config(), [past("a", **environment)]) is None


def test_runs_on_other_devices_and_damaged_ones_are_passed_over(
    past: Callable[..., Any], write_run: Callable[..., Path]
):
    assert past_pace(config(devices="cpu"), [past("a")]) is None
    assert past_pace(config(), [past("b", seconds=(float("nan"),))]) is None
    broken = {"model": "compact", "devices": "auto", "epochs": "?"}
    told = {"host": platform.node(), "train_images": 10, "validation_images": 5}
    run = read_run(write_run("c", config=broken, environment=told, history=rows(1)))
    assert past_pace(config(), [run]) is None


def test_a_machine_is_measured():
    pace = measure_pace()
    assert 0 < pace.seconds_per_mac < 1e-6 and "test" in pace.basis


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.01, "~1 s"),
        (7.4, "~7 s"),
        (13, "~15 s"),
        (58, "~1 min"),
        (170, "~3 min"),
        (1400, "~25 min"),
        (3500, "~1 h"),
        (40_000, "~11 h"),
        (86_400, "~1 day"),
        (1e9, "~11,574 days"),
    ],
)
def test_durations_are_told_coarsely(seconds: float, told: str):
    assert approximate_duration(seconds) == told


def test_an_epoch_takes_its_work_at_the_pace():
    counts = {"train": {"happy": 600, "sad": 400}, "validation": {"happy": 50, "sad": 50}}
    macs = MODELS["compact"].macs
    assert epoch_seconds(config(), counts, Pace(2 / macs, "")) == pytest.approx(2 * 3100)
    # Without a validation split, a tenth of train is used for validation.
    held_out = {"train": counts["train"]}
    assert epoch_seconds(config(validation_share=0.1), held_out, Pace(2 / macs, "")) == pytest.approx(2 * 2800)
