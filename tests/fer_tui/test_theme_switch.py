from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.theme import Theme

from fer_tui.themes import THEMES
from fer_tui.widgets.line_plot import LinePlot

DARK, LIGHT = THEMES[:2]
FIGURES = {"precision": 0.7, "recall": 0.7, "f1": 0.7, "support": 5}
EVALUATION = {"classes": ["a", "b"], "confusion_matrix": [[3, 1], [2, 4]], "per_class": {"a": FIGURES, "b": FIGURES}}
# The theme variables that each mode draws with, and where they appear.
DRAWN = {
    "1": ("series-train", "series-validation"),
    "3": ("series-train", "series-validation", "success"),
    "4": ("series-1", "series-2", "success"),
    "5": ("series-validation", "secondary"),
}


def colours(pilot: Pilot[Any]) -> set[str]:
    """Return the foreground colours of all visible text."""
    found = set()
    for strip in pilot.app.screen._compositor.render_strips():
        for segment in strip:
            colour = segment.style.color if segment.style and segment.text.strip() else None
            if colour is not None:
                found.add(colour.get_truecolor().hex.upper())
    return found


def own(theme: Theme, *names: str) -> set[str]:
    values = {"success": theme.success, "secondary": theme.secondary, **theme.variables}
    return {str(values[name]).upper() for name in names}


def every(theme: Theme) -> set[str]:
    # Faces contain greys too.
    return own(theme, *theme.variables, "success") - {"#E6E6E6"}


@pytest.fixture
def written(write_run: Callable[..., Path], epochs: Callable[[int], list[dict[str, float]]]) -> None:
    write_run(history=epochs(5), evaluation=EVALUATION)


@pytest.mark.parametrize("key", DRAWN)
@pytest.mark.parametrize("how", ["here", "from another mode", "below a dialog"])
async def test_what_is_drawn_has_the_new_themes_colours(
    open_app: Callable[..., Any], written: None, faces: Path, until: Callable[..., Any], key: str, how: str
):
    async with open_app((132, 43), faces) as pilot:
        pilot.app.theme = DARK.name
        await pilot.press(key)
        await until(pilot, lambda: own(DARK, *DRAWN[key]) <= colours(pilot))
        if how == "from another mode":
            await pilot.press("2")
            await until(pilot, lambda: pilot.app.current_mode == "train")
        elif how == "below a dialog":
            await pilot.press("question_mark")
            await until(pilot, lambda: pilot.app.screen is not pilot.app.mode_screen)
        pilot.app.theme = LIGHT.name
        for plot in pilot.app.mode_screen.query(LinePlot):
            plot.render()  # a frame drawn after the theme's name changes but before its colours do
        if how == "from another mode":
            await pilot.press(key)
        elif how == "below a dialog":
            await pilot.pause()
            await pilot.press("escape")
        await until(pilot, lambda: own(LIGHT, *DRAWN[key]) <= colours(pilot))
        await until(pilot, lambda: not colours(pilot) & every(DARK))
