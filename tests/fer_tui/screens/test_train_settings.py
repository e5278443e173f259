"""The initial values of the Train form: its last state, the user's defaults and the user's presets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from core.config.training_config import TrainingConfig
from fer_tui.app import FerApp
from fer_tui.screens.train import TrainScreen
from fer_tui.user_settings import UserSettings
from fer_tui.widgets.model_list import ModelList
from fer_tui.widgets.settings_form import SettingsForm


@pytest.fixture
def open_form(tmp_path: Path, until: Callable[..., Any], faces: Path, monkeypatch: pytest.MonkeyPatch):
    """Open the Train screen with these settings; submitted runs are not trained."""

    async def submit(self: Any, configs: Sequence[TrainingConfig], *, detached: bool) -> None:
        return None

    monkeypatch.setattr(FerApp, "submit", submit)

    @asynccontextmanager
    async def opened(**settings: Any):
        app = FerApp(faces, tmp_path / "runs", settings=UserSettings(**settings))
        async with app.run_test(size=(132, 43)) as pilot:
            await until(pilot, lambda: app.counts)
            await pilot.press("2")
            await until(pilot, lambda: isinstance(app.screen, TrainScreen) and app.screen.is_current)
            await pilot.pause()
            yield pilot
        app.state_store.close(20)

    return opened


async def test_the_form_begins_with_the_users_defaults(open_form: Callable[..., Any], until: Callable[..., Any]):
    train = {"epochs": 7, "deterministic": True, "optimizer": "sgd", "model": ["compact", "model2"]}
    async with open_form(train=train) as pilot:
        form = pilot.app.screen.query_one(SettingsForm)
        await until(pilot, lambda: form.values() == {"epochs": "7", "deterministic": True, "optimizer": "sgd"})
        await until(pilot, lambda: pilot.app.screen.query_one(ModelList).chosen == ["compact", "model2"])


async def test_the_form_comes_back_as_it_was_at_the_last_start(
    open_form: Callable[..., Any], until: Callable[..., Any]
):
    async with open_form(train={"model": "compact"}) as pilot:
        form = pilot.app.screen.query_one(SettingsForm)
        form.set_values({"epochs": 9, "batch_size": 16})
        await until(pilot, lambda: not pilot.app.screen.obstacle)
        await pilot.pause()
        await pilot.press("s")
        await until(pilot, lambda: pilot.app.current_mode == "runs")
    async with open_form(train={"epochs": 5}) as pilot:
        form = pilot.app.screen.query_one(SettingsForm)
        await until(pilot, lambda: form.values() == {"epochs": "5", "batch_size": "16"})


async def test_the_users_presets_stand_beside_ours(
    open_form: Callable[..., Any], until: Callable[..., Any], screen_text: Callable[..., str]
):
    presets = {"[red]night[/]": {"epochs": 200, "patience": "none"}, "quick": {"epochs": 1}}
    async with open_form(presets=presets) as pilot:
        form = pilot.app.screen.query_one(SettingsForm)
        assert [preset.name for preset in form.presets].count("quick") == 1
        for name, values in (("[red]night[/]", {"epochs": "200", "patience": "none"}), ("quick", {"epochs": "1"})):
            form.query_one("#set-preset").value = name
            await until(pilot, lambda values=values: form.values() == values)
            assert f"{name}: yours" in screen_text(pilot)


async def test_a_form_that_was_remembered_wrongly_is_passed_over(
    open_form: Callable[..., Any], isolated_home: Path, until: Callable[..., Any]
):
    state = isolated_home / "state" / "fer-tui" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text('{"train": {"nope": "1", "epochs": ["x"], "optimizer": "magic", "batch_size": "8"}}')
    async with open_form() as pilot:
        form = pilot.app.screen.query_one(SettingsForm)
        await until(pilot, lambda: form.values() == {"batch_size": "8"})
