"""The colours of states, of runs and of a search's trials, for commands and screens."""

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
# The commands print in the terminal's own colours.
TERMINAL_STYLES: Mapping[str, str] = {
    "success": "green",
    "primary": "cyan",
    "error": "red",
    "warning": "yellow",
    "muted": "dim",
}


def terminal_style(state: str) -> str:
    """The Rich style of a state in what a command prints; empty where it has none."""
    return TERMINAL_STYLES.get(STATE_COLOURS.get(state, ""), "")


def theme_colour(state: str, variables: Mapping[str, str]) -> str:
    """The colour of a state on a screen, of the theme's variables; empty where it has none."""
    return variables.get(STATE_COLOURS.get(state, ""), "")
