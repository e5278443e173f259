"""Colours of states."""

from __future__ import annotations

import pytest
from rich.style import Style

from core.runs.reader import STATES
from fer_tui.console.state_colours import STATE_COLOURS, TERMINAL_STYLES, terminal_style, theme_colour
from fer_tui.themes import THEMES


@pytest.mark.parametrize(
    ("state", "style", "variable"),
    [
        ("completed", "green", "success"),
        ("running", "cyan", "primary"),
        ("failed", "red", "error"),
        ("diverged", "red", "error"),
        ("interrupted", "yellow", "warning"),
        ("pruned", "dim", None),
        ("stopped", "", None),
        ("queued", "", None),
    ],
)
def test_a_state_has_a_colour_for_commands_and_for_screens(state: str, style: str, variable: str | None):
    assert terminal_style(state) == style
    for theme in THEMES:
        colours = theme.to_color_system().generate()
        assert theme_colour(state, colours) == (colours[variable] if variable else "")


def test_every_meaning_has_a_style_that_rich_knows():
    assert set(TERMINAL_STYLES) == set(STATE_COLOURS.values())
    assert all(Style.parse(style) for style in TERMINAL_STYLES.values())
    assert set(STATE_COLOURS) - set(STATES) == {"pruned"}
