"""The colours of run states and trial states, for commands and screens."""

from __future__ import annotations

from collections.abc import Mapping

# The theme colour of each state. Other states have no colour.
STATE_COLOURS: Mapping[str, str] = {
    "completed": "success",
    "running": "primary",
    "failed": "error",
    "diverged": "error",
    "interrupted": "warning",
    "pruned": "muted",
}
# The commands print with the terminal's palette.
TERMINAL_STYLES: Mapping[str, str] = {
    "success": "green",
    "primary": "cyan",
    "error": "red",
    "warning": "yellow",
    "muted": "dim",
}


def terminal_style(state: str) -> str:
    """Return the Rich style of a state for the terminal; empty if the state has no colour."""
    return TERMINAL_STYLES.get(STATE_COLOURS.get(state, ""), "")


def theme_colour(state: str, variables: Mapping[str, str]) -> str:
    """Return the colour of a state from the theme's variables; empty if the state has no colour."""
    return variables.get(STATE_COLOURS.get(state, ""), "")
