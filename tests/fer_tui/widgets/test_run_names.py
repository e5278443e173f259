"""Names of runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.runs.reader import RunSnapshot, read_run
from fer_tui.widgets.run_names import model_and_digits, model_and_name, run_digits, run_line, short_name

NAME = "20260102-030405-006-model2-bbbb"


@pytest.fixture
def run(write_run: Callable[..., Path]) -> RunSnapshot:
    return read_run(write_run(NAME, config={"model": "model2"}, evaluation={"accuracy": 0.5}))


def test_a_run_is_called_by_its_time_and_digits():
    assert short_name(NAME) == "01-02 03:04 bbbb"
    assert run_digits(NAME) == "bbbb"


@pytest.mark.parametrize("name", ["mine", "20260102-030405-006-model2-bbbg", f"{NAME}-copy"])
def test_a_name_that_is_not_one_of_ours_stays_whole(name: str):
    assert short_name(name) == run_digits(name) == name


def test_the_model_stands_before_the_digits_and_the_name(run: RunSnapshot):
    assert model_and_digits(run) == "model2 bbbb"
    assert model_and_name(run) == "model2, 01-02 03:04 bbbb"


def test_a_title_can_not_steer_the_terminal(write_run: Callable[..., Path]):
    assert model_and_name(read_run(write_run("\x1b[31mx", config={"model": "\x1b"}))) == "\\x1b, \\x1b[31mx"


def test_a_menu_has_a_line_a_run(run: RunSnapshot, write_run: Callable[..., Path]):
    assert run_line(run) == "01-02 03:04 bbbb  model2        completed    0.5000"
    other = read_run(write_run("20260102-030405-006-vgg-cccc", config={"model": "vgg"}, status={"state": "failed"}))
    assert run_line(other) == "01-02 03:04 cccc  vgg           failed       "
