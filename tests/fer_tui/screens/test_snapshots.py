"""Snapshots of every screen; update them after an intended change with `pytest --snapshot-update`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from picture import CellGrid, Pictures, capture_screen, format_snapshot
from scenes import SCENES, Scene
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot
from textual.widgets import Input

SIZES = ((80, 24), (132, 43))
THEMES = ("fer-dark", "fer-light")
# If this names a folder, the test also writes every snapshot there as an SVG image.
LOOK = os.environ.get("FER_TUI_LOOK")


async def settled(pilot: Pilot[Any], until: Callable[..., Any]) -> CellGrid:
    """Wait until nothing loads, moves or blinks and return the screen."""
    for field in pilot.app.screen.query(Input):
        field.cursor_blink = False
    await until(pilot, lambda: all(w.is_finished for w in pilot.app.workers if w.group != "watch"))
    await pilot.wait_for_scheduled_animations()
    before: CellGrid = []
    while not (now := capture_screen(pilot.app)) or now != before:
        before = now
        await pilot.pause(0.1)
    return now


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_screen(
    scene: Scene,
    snapshot: SnapshotAssertion,
    open_scene: Callable[..., Any],
    until: Callable[..., Any],
):
    snapshot = snapshot.use_extension(Pictures)
    async with open_scene(scene.name) as pilot:
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            screens = []
            # The wide screen has every part that the narrow one has.
            is_styled = scene.styled and (width, height) == SIZES[1]
            themes = THEMES if is_styled or LOOK else THEMES[:1]
            for theme in themes:
                pilot.app.theme = theme
                screens.append(await settled(pilot, until))
                if LOOK and (width, theme) in ((80, THEMES[0]), (132, THEMES[1])):
                    image = Path(LOOK) / f"{scene.name}-{width}-{theme}.svg"
                    image.write_text(pilot.app.export_screenshot(simplify=True))
            assert format_snapshot(screens if is_styled else screens[:1]) == snapshot(name=f"{width}x{height}")
