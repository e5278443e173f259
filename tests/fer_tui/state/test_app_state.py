from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, RadioButton

from fer_tui.app import FerApp
from fer_tui.state.app_state import AppState, ExportChoice, StateStore, load_state, state_path
from fer_tui.user_settings import UserSettings


def remembered(path: Path, **changes: Any) -> AppState:
    memory = StateStore(path)
    memory.update(**changes)
    memory.close(20)
    return load_state(path)


def test_what_was_chosen_is_there_the_next_time(tmp_path: Path):
    path = tmp_path / "new" / "state.json"
    remembered(path, theme="nord", train={"epochs": 3})
    again = remembered(path, export=ExportChoice(form="json", path="a.json"))
    assert again == AppState(theme="nord", train={"epochs": 3}, export=ExportChoice(form="json", path="a.json"))
    again = remembered(path, export_on_data=ExportChoice(form="latex", path="b.tex"))
    assert (again.export.path, again.export_on_data.path) == ("a.json", "b.tex")


def test_two_apps_keep_each_others_choices(tmp_path: Path):
    path = tmp_path / "state.json"
    first, second = StateStore(path), StateStore(path)
    first.update(theme="nord")
    first.close(20)
    second.update(data="/faces")
    second.close(20)
    assert load_state(path) == AppState(theme="nord", data="/faces")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"theme": 3}', b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_as_none_and_is_mended(tmp_path: Path, content: bytes):
    path = tmp_path / "state.json"
    path.write_bytes(content)
    assert load_state(path) == AppState()
    assert remembered(path, theme="nord") == AppState(theme="nord")


def test_what_a_later_version_wrote_is_no_fault(tmp_path: Path):
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"theme": "nord", "new": 1, "export": {"form": "json", "new": 1}}))
    assert load_state(path) == AppState(theme="nord", export=ExportChoice(form="json"))


def test_where_nothing_can_be_written_the_choice_lasts_as_long_as_the_app(tmp_path: Path):
    (tmp_path / "file").write_text("")
    memory = StateStore(tmp_path / "file" / "state.json")
    memory.update(theme="nord")
    memory.close(20)
    assert memory.state.theme == "nord" and not memory._writer.is_alive()  # pyright: ignore


async def test_a_theme_chosen_in_the_palette_comes_back(tmp_path: Path, until: Callable[..., Any]):
    app = FerApp(None, tmp_path)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.mode_screen is not None)
        app.action_next_theme()
        await pilot.pause()
    app.state_store.close(20)
    assert FerApp(None, tmp_path).theme == "fer-light"
    assert FerApp(None, tmp_path, settings=UserSettings(theme="nord")).theme == "nord"
    stored = state_path()
    assert stored is not None
    stored.write_text(json.dumps({"theme": "gone"}))
    assert FerApp(None, tmp_path).theme == "fer-dark"


async def test_a_theme_of_the_settings_is_not_remembered_as_a_choice(tmp_path: Path, until: Callable[..., Any]):
    app = FerApp(None, tmp_path, settings=UserSettings(theme="nord"))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.mode_screen is not None)
        await pilot.pause()
    stored = state_path()
    assert stored is not None and not stored.exists()


async def test_the_export_dialog_remembers_from_one_start_to_the_next(
    open_app: Callable[..., Any], until: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    async with open_app() as pilot:
        await pilot.press("4")
        await until(pilot, lambda: pilot.app.screen.MODE == "compare")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))
        pilot.app.focused.value = "mine.json"
        pilot.app.screen.query("FormatButton").last().toggle()
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, (tmp_path / "mine.json").exists)
        pilot.app.state_store.close(20)
    async with open_app() as pilot:
        await pilot.press("4")
        await until(pilot, lambda: pilot.app.screen.MODE == "compare")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))
        assert pilot.app.focused.value == "mine.json"
        assert pilot.app.screen.query("FormatButton").last(RadioButton).value


async def test_the_data_set_opened_last_is_opened_again(
    open_app: Callable[..., Any], until: Callable[..., Any], write_tree: Callable[..., Path], tmp_path: Path
):
    root = write_tree(tmp_path / "faces", {"train/a": 2, "train/b": 2})
    async with open_app(data=root) as pilot:
        await until(pilot, lambda: pilot.app.screen.dataset is not None)
        pilot.app.state_store.close(20)
    async with open_app() as pilot:
        await until(pilot, lambda: pilot.app.screen.dataset is not None)
        assert pilot.app.screen.dataset.root == root
    root.rename(tmp_path / "elsewhere")
    async with open_app() as pilot:
        assert pilot.app.screen.query_one("#folder", Input).value == "" and pilot.app.screen.has_class("-empty")
