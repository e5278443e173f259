"""The chosen run's details (warnings, messages, load) and resuming it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from core.errors import ConfigError
from core.system.hardware import GpuLoad, SystemLoad
from fer_tui.app import FerApp
from fer_tui.dialogs.ask_number import AskNumberScreen
from fer_tui.widgets.device_strip import GIB, describe_load

CPU = SystemLoad(42, 3 * GIB, 8 * GIB)
LONG = "the loss is not a number since epoch 2, batch 7; lower the learning rate (now 0.01) or clip the gradients END"


async def test_warnings_are_counted_and_read_in_full(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    told = [{"code": "one_class", "message": f"[b]{LONG}"}, {"code": "majority", "message": "\x1b[31mred"}]
    write_run(evaluation={"warnings": told})
    async with open_app(size) as pilot:
        await until(pilot, lambda: "Warnings (2)" in screen_text(pilot))
        await pilot.press("w")
        await until(pilot, lambda: "END" in screen_text(pilot))
        shown = screen_text(pilot)
        assert "one_class: [b]the loss" in shown and "majority: \\x1b[31mred" in shown
        await pilot.press("w")
        await until(pilot, lambda: "END" not in screen_text(pilot))


@pytest.mark.parametrize("state", ["failed", "diverged"])
async def test_why_a_run_ended_is_read_in_full(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
    state: str,
):
    write_run(status={"state": state, "message": LONG})
    async with open_app(size) as pilot:
        await until(pilot, lambda: "END" in screen_text(pilot))
        write_run("20260201-000000-000-compact-beef", status={"state": state, "message": f"{LONG} " * 6})
        await until(pilot, lambda: len(pilot.app.runs) == 2)
        await pilot.press("up", "w")
        await until(pilot, lambda: f"{state}: the loss" in screen_text(pilot))


async def test_without_warnings_it_says_so(
    open_app: Callable[..., Any], write_run: Callable[..., Path], until: Callable[..., Any], screen_text: Any
):
    write_run(evaluation={"warnings": [], "accuracy": 0.5})
    async with open_app() as pilot:
        await pilot.press("w")
        await until(pilot, lambda: "No warnings." in screen_text(pilot))


async def test_the_machines_load_is_sampled_and_shown(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
):
    monkeypatch.setattr("fer_tui.state.watchers.sample_load", lambda: CPU)
    write_run()
    async with open_app(size) as pilot:
        await until(pilot, lambda: "no GPU   CPU 42 %   memory 3.0/8.0 GiB" in screen_text(pilot))
        gpus = tuple(GpuLoad(index, "Card", 80 + index, 2 * GIB, 24 * GIB) for index in range(4))
        monkeypatch.setattr("fer_tui.state.watchers.sample_load", lambda: SystemLoad(1, 1, 2, gpus))
        await until(pilot, lambda: "GPU 3 83 % 2.0/24.0 GiB" in screen_text(pilot))


async def test_a_run_of_another_host_says_so(
    open_app: Callable[..., Any], write_run: Callable[..., Path], until: Callable[..., Any], screen_text: Any
):
    write_run(status={"host": "[b]elsewhere"})
    async with open_app() as pilot:
        await until(pilot, lambda: "ran on [b]elsewhere" in screen_text(pilot))
        await until(pilot, lambda: pilot.app.load)
        assert "CPU" not in screen_text(pilot)


def test_one_gpu_goes_by_its_name():
    assert describe_load(SystemLoad(5, 1, 2, (GpuLoad(0, "A100", None, GIB, 40 * GIB),))).startswith(
        "A100 load ?   memory 1.0/40"
    )


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None, float | None]]:
    """The runs that the app was asked to resume, with the new settings."""
    asked: list[tuple[str, int | None, float | None]] = []

    async def resume(
        self: FerApp,
        run: Path,
        epochs: int | None = None,
        learning_rate: float | None = None,
        data: Path | None = None,
    ) -> None:
        assert data is None
        asked.append((run.name, epochs, learning_rate))

    monkeypatch.setattr(FerApp, "resume_run", resume)
    return asked


@pytest.mark.parametrize("state", ["stopped", "interrupted", "failed"])
async def test_an_ended_run_is_resumed(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    until: Callable[..., Any],
    resumed: list[tuple[str, int | None, float | None]],
    state: str,
):
    run = write_run(status={"state": state})
    async with open_app() as pilot:
        await until(pilot, lambda: pilot.app.screen.chosen)
        await pilot.press("r")
        assert resumed == [(run.name, None, None)]


async def test_a_completed_run_is_trained_on_to_more_epochs(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    resumed: list[tuple[str, int | None, float | None]],
    size: tuple[int, int],
):
    run = write_run(history=epochs(3))
    async with open_app(size) as pilot:
        await until(pilot, lambda: pilot.app.screen.chosen)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskNumberScreen))
        field = pilot.app.screen.query_one(Input)
        assert field.value == "6"
        for wrong in ("3", "0", "", "100001"):
            field.value = wrong
            await pilot.press("enter")
            await until(pilot, lambda: "from 4 to 100000" in screen_text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is pilot.app.mode_screen)
        assert not resumed
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskNumberScreen))
        pilot.app.screen.query_one(Input).value = "7"
        await pilot.click("#do")
        await until(pilot, lambda: resumed == [(run.name, 7, None)])


async def test_a_diverged_run_goes_on_at_a_lower_rate(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    resumed: list[tuple[str, int | None, float | None]],
    size: tuple[int, int],
):
    run = write_run(status={"state": "diverged"}, config={"learning_rate": 0.02})
    async with open_app(size) as pilot:
        await until(pilot, lambda: pilot.app.screen.chosen)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskNumberScreen))
        field = pilot.app.screen.query_one(Input)
        assert field.value == "0.002"
        for wrong in ("0", "-1", "", "inf"):
            field.value = wrong
            await pilot.press("enter")
            await until(pilot, lambda: "enter a number above 0" in screen_text(pilot))
        field.value = "5e-4"
        await pilot.press("enter")
        await until(pilot, lambda: resumed == [(run.name, None, 0.0005)])


async def test_a_run_under_way_is_not_resumed(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    alive: dict[str, Any],
    until: Callable[..., Any],
    resumed: list[tuple[str, int | None, float | None]],
):
    write_run(status=alive)
    async with open_app() as pilot:
        await until(pilot, lambda: pilot.app.screen.chosen)
        await pilot.press("r")
        assert not resumed and pilot.app.screen is pilot.app.mode_screen


async def test_what_keeps_a_run_from_going_on_is_told(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
):
    async def refuse(self: FerApp, run: Path, *changes: Any) -> None:
        raise ConfigError("epochs", "[b]no")

    monkeypatch.setattr(FerApp, "resume_run", refuse)
    write_run(status={"state": "stopped"})
    async with open_app() as pilot:
        await until(pilot, lambda: pilot.app.screen.chosen)
        await pilot.press("r")
        await until(pilot, lambda: [told.message for told in pilot.app._notifications] == ["epochs: [b]no"])
