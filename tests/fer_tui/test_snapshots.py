"""Pictures of every screen: what has changed in them on purpose is written anew with `pytest --snapshot-update`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import worlds
from picture import Pictures, Screen, described, taken, text_of
from scenes import SCENES, Scene
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot
from textual.widgets import Input

from core import estimate
from core.load import Load
from fer_tui import watcher
from fer_tui.app import FerApp
from fer_tui.settings import Settings

THEMES = ("fer-dark", "fer-light")
GIB = 1024**3
# Set to a folder, SVG images of every picture are written there for people to look at.
LOOK = os.environ.get("FER_TUI_LOOK")


@pytest.fixture(autouse=True)
def same_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What differs from machine to machine is the same: the folder's name, the load, the speed, the terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watcher, "sample", lambda: Load(37, 5 * GIB, 16 * GIB))
    monkeypatch.setattr(estimate, "measured_pace", lambda: estimate.Pace(4e-12, "from a short test of this CPU"))
    for name in ("NO_COLOR", "FORCE_COLOR", "FER_TUI_RUNS", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


async def see(pilot: Pilot[Any], until: Callable[..., Any], words: str) -> None:
    """Wait for words on the screen."""
    try:
        await until(pilot, lambda: words in text_of(taken(pilot.app)))
    except AssertionError as error:
        raise AssertionError(f"'{words}' never came:\n{text_of(taken(pilot.app))}") from error


async def settled(pilot: Pilot[Any], until: Callable[..., Any]) -> Screen:
    """The screen once nothing is loading, moving or blinking any more."""
    for field in pilot.app.screen.query(Input):
        field.cursor_blink = False
    await until(pilot, lambda: all(w.is_finished for w in pilot.app.workers if w.group != "watch"))
    await pilot.wait_for_scheduled_animations()
    before: Screen = []
    while (now := taken(pilot.app)) != before:
        before = now
        await pilot.pause(0.1)
    return now


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_a_screen_is_as_it_was(
    scene: Scene,
    size: tuple[int, int],
    snapshot: SnapshotAssertion,
    write_run: Callable[..., Path],
    alive: dict[str, Any],
    until: Callable[..., Any],
    request: pytest.FixtureRequest,
):
    faces = worlds.write_faces(Path("faces"))
    if scene.spoilt:
        worlds.spoil(faces)
    scene.world(write_run, alive)
    data = Path(scene.data) if scene.data else None
    app = FerApp(data, Path("runs"), settings=Settings(theme=THEMES[0]))
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.runs is not None and app.mode_screen is not None)
        for step in scene.steps:
            if callable(step):
                step(pilot)
            elif step.startswith("see:"):
                await see(pilot, until, step.removeprefix("see:"))
            else:
                await pilot.press(step)
        screens = []
        for theme in THEMES:
            app.theme = theme
            await pilot.pause()
            screens.append(await settled(pilot, until))
            if LOOK:
                image = Path(LOOK) / f"{request.node.callspec.id}-{theme}.svg"
                image.write_text(app.export_screenshot(simplify=True))
        assert described(screens) == snapshot(extension_class=Pictures)
