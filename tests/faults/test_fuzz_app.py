"""The app does not crash on damaged run directories."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from mutations import contents, damage_folder
from whole_run import NAMES

from fer_tui.app import FerApp

WHOLE = os.environ.get("FER_FAULTS") == "whole"
FOLDERS = 500 if WHOLE else 15
# The keys that show details of the selected run.
RUNS_KEYS = ("w", "o", "m", "space")
INSPECT_KEYS = ("n", "right", "down", "enter", "escape")


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


async def test_damaged_runs_on_the_screens(whole_run: Path, canary: Path, tmp_path: Path):
    draw, before = random.Random(1), contents(canary)
    folder = tmp_path / "runs"
    for number in range(FOLDERS):
        run = folder / f"20260101-0000{number % 60:02d}-{number:03d}-compact-{number:04x}"
        shutil.copytree(whole_run, run)
        # A folder without config.json is not a run.
        damage_folder(run, [name for name in NAMES if name != "config.json"], canary, draw)
    app = FerApp(None, folder)
    async with app.run_test(size=(132, 43)) as pilot:
        while app.runs is None:
            await pilot.pause(0.05)
        assert len(app.runs) == FOLDERS
        await pilot.press("3")
        for _ in range(FOLDERS):
            await pilot.press(draw.choice(RUNS_KEYS), "down")
            await pilot.pause()
        await pilot.press("4")
        await pilot.pause()
        for key in ("g", "g", "right", "s", "end"):
            await pilot.press(key)
            await pilot.pause()
        for run in list(app.runs)[:: 1 if WHOLE else 2]:
            app.inspect_run(run.name)
            await pilot.pause(0.02)
            await pilot.press(draw.choice(INSPECT_KEYS))
            await pilot.pause(0.02)
    assert app.return_code in (0, None)
    assert contents(canary) == before
