from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from fer_tui.widgets.path_input import PathInput


class Fields(App[None]):
    def compose(self) -> ComposeResult:
        yield PathInput(id="path")
        yield Input(id="next")


async def suggested(pilot: Pilot[Any], path: str) -> None:
    """Wait for a suggestion for the field's value."""
    field = pilot.app.query_one(PathInput)
    for _ in range(1000):
        if field._suggestion == path:
            return
        await pilot.pause(0.01)
    raise AssertionError(f"{path} was never suggested")


async def test_tab_completes_a_path_and_goes_on_from_one_that_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "faces.csv").touch()
    monkeypatch.chdir(tmp_path)
    async with Fields().run_test() as pilot:
        field = pilot.app.query_one(PathInput)
        await pilot.press(*"face")
        await suggested(pilot, "faces.csv")
        await pilot.press("left", "tab")
        assert field.value == "face" and pilot.app.focused is not field
        field.focus()
        await pilot.press("end")
        await suggested(pilot, "faces.csv")
        await pilot.press("tab")
        assert field.value == "faces.csv" and pilot.app.focused is field
        await suggested(pilot, "faces.csv")
        await pilot.press("tab")
        assert field.value == "faces.csv" and pilot.app.focused is not field
