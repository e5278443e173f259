"""The Train screen: choices and settings become the submitted configs and the shown command."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from textual.pilot import Pilot
from textual.widgets import Button, Input

from core.config.presets import PRESETS
from core.config.training_config import TrainingConfig, allowed_values, resolve
from core.errors import RunError
from core.models.registry import MODELS
from fer_tui.app import FerApp
from fer_tui.commands.group import app as commands
from fer_tui.screens.train import TrainScreen
from fer_tui.widgets.choice import Choice, Toggle
from fer_tui.widgets.model_list import ModelList
from fer_tui.widgets.settings_form import OWN, SETTINGS, SettingsForm


def form(pilot: Pilot[Any]) -> SettingsForm:
    return pilot.app.screen.query_one(SettingsForm)


def control(pilot: Pilot[Any], name: str) -> Any:
    return pilot.app.screen.query_one(f"#set-{name}")


def chosen(pilot: Pilot[Any]) -> list[str]:
    return pilot.app.screen.query_one(ModelList).chosen


def one_line(text: str) -> str:
    return " ".join(text.split())


def command(pilot: Pilot[Any]) -> str:
    return str(pilot.app.screen.query_one("#command").render()).removeprefix("$ ")


def parsed(line: str) -> list[TrainingConfig]:
    """Return the configs that the real command parses from a line."""
    program, name, *words = shlex.split(line)
    assert program == "fer-tui"
    group: Any = typer.main.get_command(commands)
    given = group.commands[name].make_context(name, words).params
    flags = {key: value for key, value in given.items() if key in TrainingConfig.model_fields and value is not None}
    return [resolve({**flags, "model": model}) for model in flags.pop("model")]


@pytest.fixture
def open_train(open_app: Callable[..., Any], faces: Path, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    """Open the Train screen on drawn faces; record the submitted configs in `app.submitted` without training."""

    async def submit(self: Any, configs: Sequence[TrainingConfig], *, detached: bool) -> None:
        self.submitted.append((list(configs), detached))

    monkeypatch.setattr(FerApp, "submit", submit)
    monkeypatch.setattr(FerApp, "submitted", [], raising=False)

    @asynccontextmanager
    async def opened(size: tuple[int, int] = (80, 24), data: Path | None = faces):
        async with open_app(size, data=data) as pilot:
            await until(pilot, lambda: data is None or pilot.app.counts)
            await pilot.press("2")
            await until(pilot, lambda: isinstance(pilot.app.screen, TrainScreen) and pilot.app.screen.is_current)
            await until(pilot, lambda: isinstance(pilot.app.focused, ModelList))
            await pilot.pause()
            yield pilot

    return opened


# ---- rendering


async def test_models_with_what_decides(
    open_train: Callable[..., Any],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    async with open_train(size) as pilot:
        await until(pilot, lambda: "per epoch, from a short test" in screen_text(pilot))
        shown = screen_text(pilot)
        for spec in MODELS.values():
            (line,) = [line for line in shown.splitlines() if f"[ ]  {spec.name}" in line]
            assert f"{spec.image_size}x{spec.image_size}x{spec.channels}" in line and "~" in line
        assert "364 k" in shown and "173 M" in shown and "9.41 M" in shown
        assert next(iter(MODELS.values())).source in shown
        assert "choose a model: press space or click it" in shown
        assert "--model compact" in one_line(shown)
        assert "epochs" in shown


async def test_without_a_data_set_it_says_what_to_do(
    open_train: Callable[..., Any], screen_text: Callable[..., str], size: tuple[int, int]
):
    async with open_train(size, data=None) as pilot:
        await pilot.press("space")
        await pilot.pause()
        assert "open a data set first: 1 Data" in screen_text(pilot)
        assert control_of_start(pilot).disabled
        for key in ("s", "c", "r"):  # these keys have no effect
            await pilot.press(key)
        await pilot.pause()
        assert isinstance(pilot.app.screen, TrainScreen) and not pilot.app.submitted


def control_of_start(pilot: Pilot[Any]) -> Button:
    return pilot.app.screen.query_one("#start", Button)


async def test_a_data_set_read_later_is_taken(
    open_train: Callable[..., Any], faces: Path, until: Callable[..., Any], screen_text: Callable[..., str]
):
    async with open_train(data=None) as pilot:
        pilot.app.data, pilot.app.counts = faces, {"train": {"happy": 8}, "validation": {"happy": 2}}
        await until(pilot, lambda: "choose a model" in screen_text(pilot))


async def test_every_setting_has_its_row_and_help(
    open_train: Callable[..., Any], until: Callable[..., Any], size: tuple[int, int]
):
    async with open_train(size) as pilot:
        assert set(SETTINGS) == set(TrainingConfig.model_fields) - {"data", "model"}
        for name, field in SETTINGS.items():
            kind = Toggle if field.annotation is bool else Choice if allowed_values(name) else Input
            assert isinstance(control(pilot, name), kind)
            control(pilot, name).focus()
            await pilot.pause()
            help_line = str(pilot.app.screen.query_one("#setting-help").render())
            assert str(field.description).split()[0] in help_line
            shown = pilot.app.screen.query_one("#form").region
            await until(pilot, lambda name=name, shown=shown: shown.contains_region(control(pilot, name).region))


async def test_hostile_paths_show_harmlessly(
    open_train: Callable[..., Any],
    tmp_path: Path,
    faces: Path,
    hostile: tuple[str, ...],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    # Each size tests every other name.
    for name in hostile[size == (132, 43) :: 2]:
        folder = tmp_path / name.replace("/", "_")
        folder.symlink_to(faces)
        async with open_train(size, data=folder) as pilot:
            await pilot.press("space")
            await until(pilot, lambda: "1 run on" in screen_text(pilot))
            assert "\x1b" not in screen_text(pilot)
            await pilot.press("c")
            assert parsed(pilot.app.clipboard)[0].data == folder


# ---- choosing models


async def test_models_are_chosen_by_keyboard(
    open_train: Callable[..., Any], screen_text: Callable[..., str], until: Callable[..., Any], size: tuple[int, int]
):
    async with open_train(size) as pilot:
        await pilot.press("space", "j", "j", "enter")
        assert chosen(pilot) == ["compact", "model2"]
        await until(pilot, lambda: "2 runs on" in screen_text(pilot))
        assert screen_text(pilot).count("[x]") == 2
        await pilot.press("k", "k", "space")
        assert chosen(pilot) == ["model2"]


async def test_models_are_chosen_by_mouse(
    open_train: Callable[..., Any], until: Callable[..., Any], size: tuple[int, int]
):
    async with open_train(size) as pilot:
        await pilot.click(ModelList, offset=(6, 3))
        await pilot.click(ModelList, offset=(6, 1))
        await until(pilot, lambda: chosen(pilot) == ["compact", "model2"])
        await pilot.click(ModelList, offset=(6, 3))
        await until(pilot, lambda: chosen(pilot) == ["compact"])


async def test_a_model_of_the_palette_is_chosen(open_train: Callable[..., Any], until: Callable[..., Any]):
    async with open_train() as pilot:
        await pilot.press("1")
        pilot.app.wanted_model = "model2"
        await pilot.press("2")
        await until(pilot, lambda: chosen(pilot) == ["model2"] if pilot.app.screen.MODE == "train" else False)
        assert pilot.app.wanted_model == ""


# ---- settings


async def test_what_is_typed_is_checked_at_once(
    open_train: Callable[..., Any], until: Callable[..., Any], screen_text: Callable[..., str], size: tuple[int, int]
):
    async with open_train(size) as pilot:
        await pilot.press("space")
        control(pilot, "epochs").focus()
        await pilot.press("0")
        await until(pilot, lambda: "✗ input should be greater than or equal to 1 (got '0')" in screen_text(pilot))
        shown = screen_text(pilot)
        assert "✗ epochs" in shown and "✗ fix: epochs" in shown
        assert control_of_start(pilot).disabled
        await pilot.press("escape", "s")
        assert not pilot.app.submitted
        await pilot.press("e")
        assert pilot.app.focused is control(pilot, "epochs")
        await pilot.press("backspace", "7")
        await until(pilot, lambda: "--epochs 7" in command(pilot))
        assert "✗" not in screen_text(pilot) and not control_of_start(pilot).disabled


async def test_the_recipe_of_the_first_model_is_shown(
    open_train: Callable[..., Any], until: Callable[..., Any], screen_text: Callable[..., str]
):
    async with open_train((132, 43)) as pilot:
        assert control(pilot, "learning_rate").placeholder == "0.002"
        await pilot.press("j", "j")
        await until(pilot, lambda: control(pilot, "learning_rate").placeholder == "0.0001")
        assert control(pilot, "image_size").placeholder == "96"
        control(pilot, "protocol").value = "published"
        await until(pilot, lambda: control(pilot, "epochs").placeholder == "3")
        await until(pilot, lambda: "max_over_count (recipe)" in screen_text(pilot))
        assert form(pilot).values() == {"protocol": "published"}


async def test_settings_by_keyboard_alone(open_train: Callable[..., Any], until: Callable[..., Any]):
    async with open_train() as pilot:
        await pilot.press("e", "down", "space", "down")
        assert form(pilot).is_detached
        await pilot.press("enter", "down", "down", "enter")
        await until(pilot, lambda: form(pilot).values() == {"protocol": "published"})
        await pilot.press("up", "enter")
        assert not form(pilot).is_detached
        await pilot.press("escape")
        assert isinstance(pilot.app.focused, ModelList)
        await pilot.press("r")
        await until(pilot, lambda: form(pilot).values() == {})


async def test_a_digit_typed_into_a_field_is_text(open_train: Callable[..., Any], until: Callable[..., Any]):
    async with open_train() as pilot:
        control(pilot, "batch_size").focus()
        await pilot.press("3", "2")
        assert isinstance(pilot.app.screen, TrainScreen) and form(pilot).values() == {"batch_size": "32"}
        await pilot.press("escape", "3")
        await until(pilot, lambda: pilot.app.screen.MODE == "runs")


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
async def test_presets_fill_the_form(open_train: Callable[..., Any], until: Callable[..., Any], preset: Any):
    async with open_train() as pilot:
        control(pilot, "l2").value = "0.5"
        await until(pilot, lambda: control(pilot, "preset").value == OWN)
        control(pilot, "preset").value = preset.name
        await until(pilot, lambda: "l2" not in form(pilot).values())
        await until(pilot, lambda: "--l2" not in command(pilot))
        wanted = resolve({"data": pilot.app.screen.data, "model": "compact", **preset.settings})
        assert parsed(command(pilot)) == [wanted]
        assert control(pilot, "preset").value == preset.name


async def test_values_are_given_and_taken(open_train: Callable[..., Any]):
    values = {"epochs": "5", "time_budget": "1h30m", "deterministic": True, "channels": "3", "patience": "none"}
    async with open_train() as pilot:
        form(pilot).set_values(values)
        assert form(pilot).values() == values
        form(pilot).set_values({"epochs": 5, "patience": None, "no_such_field": 1, "optimizer": "no such"})
        assert form(pilot).values() == {"epochs": "5", "patience": "none"}


# ---- the command


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"epochs": "5", "time_budget": "90m", "dropout": "none", "width": "0.5"},
        {"protocol": "published", "deterministic": True, "channels": "1", "learning_rate": "1e-05"},
    ],
)
async def test_the_command_is_what_is_submitted(
    open_train: Callable[..., Any], until: Callable[..., Any], values: dict[str, Any]
):
    async with open_train() as pilot:
        await pilot.press("space", "j", "j", "space")
        form(pilot).set_values(values)
        await pilot.pause()
        await pilot.press("c")
        await until(pilot, lambda: pilot.app.clipboard)
        await pilot.press("s")
        await until(pilot, lambda: pilot.app.submitted)
        ((configs, detached),) = pilot.app.submitted
        assert parsed(pilot.app.clipboard) == configs and not detached
        assert [config.model for config in configs] == ["compact", "model2"]


async def test_a_long_command_is_shown_whole(open_train: Callable[..., Any], size: tuple[int, int]):
    async with open_train(size) as pilot:
        form(pilot).set_values(
            {"epochs": "5", "width": "0.5", "learning_rate": "0.01", "schedule": "plateau", "l2": "0.1"}
        )
        await pilot.pause()
        line = pilot.app.screen.query_one("#command")
        assert line.size.height * line.size.width >= len(command(pilot))
        assert all(flag in command(pilot) for flag in ("--epochs 5", "--l2 0.1", "--schedule plateau"))


# ---- start


async def test_start_by_mouse_shows_the_runs(
    open_train: Callable[..., Any], until: Callable[..., Any], size: tuple[int, int]
):
    async with open_train(size) as pilot:
        await pilot.press("space")
        await pilot.click("#set-keep_training")
        await until(pilot, lambda: not control_of_start(pilot).disabled)
        await pilot.click("#start")
        await until(pilot, lambda: pilot.app.screen.MODE == "runs")
        ((configs, detached),) = pilot.app.submitted
        assert [config.model for config in configs] == ["compact"] and detached


async def test_what_is_wrong_with_the_data_is_told_in_place(
    open_train: Callable[..., Any],
    tmp_path: Path,
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    shutil.copytree(faces, tmp_path / "f")
    async with open_train(size, data=tmp_path / "f") as pilot:
        shutil.rmtree(tmp_path / "f")
        await pilot.press("space", "s")
        await until(pilot, lambda: f"✗ {tmp_path}"[:40] in screen_text(pilot))
        assert isinstance(pilot.app.screen, TrainScreen) and not pilot.app.submitted
        # A new choice clears the problem.
        await pilot.press("space", "space")
        await until(pilot, lambda: "1 run on" in screen_text(pilot))


async def test_what_submit_refuses_is_told_in_place(
    open_train: Callable[..., Any],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
):
    async def refuse(self: Any, configs: Any, *, detached: bool) -> None:
        await asyncio.sleep(0)
        raise RunError("image_memory", "[red]can't be had")

    async with open_train() as pilot:
        monkeypatch.setattr(FerApp, "submit", refuse)
        await pilot.press("space", "s")
        await until(pilot, lambda: "✗ image memory: [red]can't be had" in screen_text(pilot))
        assert chosen(pilot) == ["compact"] and not control_of_start(pilot).disabled
