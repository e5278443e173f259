"""The keys of a run in JSON and their order never change, because other programs read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.runs.reader import RunSnapshot, read_run
from fer_tui.commands.run_json import run_result, run_summary

WARNING = {"code": "one_class", "message": "it says happy to everything"}


@pytest.fixture
def make_run(write_run: Callable[..., Path]) -> Callable[..., RunSnapshot]:
    """Return a function that reads a stopped run of two epochs, the first one kept; `config` extends its config."""

    def make(**config: Any) -> RunSnapshot:
        history = [
            {"epoch": 1, "accuracy": 0.5, "val_accuracy": 0.4, "val_loss": 1.5, "seconds": 2.04},
            {"epoch": 2, "accuracy": 0.7, "val_accuracy": 0.3, "val_loss": 1.9, "seconds": 1},
        ]
        status = {"state": "stopped", "message": "stopped by hand"}
        evaluation = {"accuracy": 0.35, "warnings": [WARNING]}
        return read_run(write_run(config=config, status=status, evaluation=evaluation, history=history))

    return make


def test_a_run_in_the_list(make_run: Callable[..., RunSnapshot]):
    run = make_run()
    assert list(run_summary(run).items()) == [
        ("run", run.name),
        ("path", str(run.path.absolute())),
        ("model", "compact"),
        ("protocol", "sound"),
        ("state", "stopped"),
        ("epoch", 2),
        ("epochs", 3),
        ("val_accuracy", 0.4),
        ("val_loss", 1.5),
        ("seconds", 3.0),
        ("message", "stopped by hand"),
        ("warnings", ["one_class"]),
    ]


def test_what_came_of_a_run(make_run: Callable[..., RunSnapshot]):
    run = make_run()
    assert list(run_result(run).items()) == [
        ("run", run.name),
        ("path", str(run.path.absolute())),
        ("model", "compact"),
        ("state", "stopped"),
        ("epochs", 2),
        ("accuracy", 0.5),
        ("val_accuracy", 0.4),
        ("val_loss", 1.5),
        ("seconds", 3.0),
        ("warnings", [WARNING]),
        ("message", "stopped by hand"),
    ]


def test_by_the_published_protocol_the_whole_splits_accuracy_is_told_too(make_run: Callable[..., RunSnapshot]):
    told = run_result(make_run(protocol="published"))
    assert list(told)[-2:] == ["message", "val_accuracy_whole"]
    assert told["val_accuracy_whole"] == 0.35


def test_before_the_first_epoch_no_figure_is_known(write_run: Callable[..., Path]):
    run = read_run(write_run(status={"state": "failed"}))
    for told in (run_summary(run), run_result(run)):
        assert (told["val_accuracy"], told["val_loss"], told["seconds"]) == (None, None, 0)
