"""fer-tui's themes: a dark, a light and a colour-blind safe one."""

from __future__ import annotations

from textual.theme import Theme

# The number of distinct colours for overlaid runs.
SERIES = 8


def _series(colours: str) -> dict[str, str]:
    """Return the colours of overlaid runs as the theme variables `series-1` to `series-8`."""
    return {f"series-{place}": colour for place, colour in enumerate(colours.split(), 1)}


THEMES = (
    Theme(
        name="fer-dark",
        primary="#6CA6E0",
        secondary="#8E9AAF",
        accent="#E8B04B",
        success="#7BC47F",
        warning="#E8B04B",
        error="#E5737D",
        foreground="#D8DEE6",
        background="#14171C",
        surface="#1A1E25",
        panel="#232934",
        dark=True,
        variables=_series("#6CA6E0 #E8B04B #CC79A7 #99DDFF #D55E00 #F0E442 #EE8866 #E6E6E6")
        | {"series-train": "#6CA6E0", "series-validation": "#E8B04B", "footer-key-foreground": "#6CA6E0"},
    ),
    Theme(
        name="fer-light",
        primary="#1F5FA8",
        secondary="#5B6675",
        accent="#9A5B00",
        success="#1E7B34",
        warning="#8F5A00",
        error="#B3261E",
        foreground="#1E242C",
        background="#F7F7F4",
        surface="#FFFFFF",
        panel="#E7E9EC",
        dark=False,
        variables=_series("#1F5FA8 #B35C00 #882255 #009E73 #332288 #1E242C #117733 #5B6675")
        | {"series-train": "#1F5FA8", "series-validation": "#B35C00", "footer-key-foreground": "#1F5FA8"},
    ),
    # A colour-blind safe palette: M. Okabe and K. Ito, Color Universal Design, 2008.
    Theme(
        name="fer-okabe-ito",
        primary="#56B4E9",
        secondary="#CC79A7",
        accent="#F0E442",
        success="#56B4E9",
        warning="#F0E442",
        error="#E69F00",
        foreground="#E6E6E6",
        background="#111111",
        surface="#191919",
        panel="#262626",
        dark=True,
        variables=_series("#56B4E9 #E69F00 #009E73 #F0E442 #0072B2 #D55E00 #CC79A7 #E6E6E6")
        | {"series-train": "#56B4E9", "series-validation": "#E69F00", "footer-key-foreground": "#56B4E9"},
    ),
)

# Variables that the style sheet and plots use and Textual's own themes lack.
FALLBACK = {name: colour for name, colour in THEMES[-1].variables.items() if name.startswith("series-")}


def theme_names() -> tuple[str, ...]:
    """Return the names of all themes: fer-tui's first, then Textual's."""
    from textual.theme import BUILTIN_THEMES

    return (*(theme.name for theme in THEMES), *sorted(BUILTIN_THEMES))
