from __future__ import annotations

import inspect
from typing import Any

import pytest

from fer_tui import launch
from fer_tui.cli import COMPLETION, _run_command, main, screen_options

SCREENS = (
    [],
    ["--data", "faces"],
    ["--data=faces", "--runs", "a b"],
    ["--theme", "nord", "--no-mouse"],
    ["--runs", "one", "--runs=two"],
    ["--data", "--runs", "--no-mouse"],
    ["--data="],
)
# What only looks like the screens' own options, or is more than they.
OTHERS = (["--dat", "faces"], ["--no-m"], ["--data"], ["--mouse"], ["runs"], ["--runs", "a", "runs"], ["-h"])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the screens were opened with, each time."""
    calls: list[dict[str, Any]] = []
    signature = inspect.signature(launch.run)

    def run(*values: Any, **named: Any) -> int:
        call = signature.bind(*values, **named)
        call.apply_defaults()
        calls.append(call.arguments)
        return 0

    monkeypatch.setattr(launch, "run", run)
    monkeypatch.delenv(COMPLETION, raising=False)
    return calls


@pytest.mark.parametrize("arguments", SCREENS, ids=" ".join)
def test_the_short_way_to_the_screens_gives_what_typer_gives(arguments: list[str], opened: list[dict[str, Any]]):
    assert screen_options(arguments) is not None
    assert main(arguments) == 0
    _run_command(arguments)
    short, typers = opened
    assert short == typers


@pytest.mark.parametrize("arguments", OTHERS, ids=" ".join)
def test_everything_else_is_left_to_typer(arguments: list[str]):
    assert screen_options(arguments) is None


def test_a_shell_that_asks_for_completions_gets_them_from_typer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(COMPLETION, "complete_bash")
    assert screen_options([]) is None
