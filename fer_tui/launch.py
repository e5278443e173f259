"""Open the screens: load the settings, reserve the terminal and run the app."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from textual import constants

from core.errors import ConfigError
from fer_tui.app import FerApp
from fer_tui.console import output, terminal
from fer_tui.settings_file import load_settings, unknown_theme_message
from fer_tui.themes import theme_names


def run_app(data: Path | None = None, runs: Path | None = None, *, theme: str | None = None, mouse: bool = True) -> int:
    """Open the screens.

    Args:
        data: the data set to open; default the setting `data`.
        runs: the folder of runs; default $FER_TUI_RUNS, the setting `runs` or ./runs.
        theme: a theme's name; default the setting `theme` or the theme last chosen.
        mouse: whether to capture the mouse, if the setting `mouse` allows it.

    Returns:
        The exit status.

    Raises:
        ConfigError: a setting is wrong or the theme is unknown.
    """
    if theme is not None and theme not in theme_names():
        raise ConfigError("theme", unknown_theme_message(theme))
    settings = load_settings()
    if theme is not None:
        settings = replace(settings, theme=theme)
    folder = runs or (None if os.environ.get("FER_TUI_RUNS") else settings.runs)
    if not constants.DRIVER and not (sys.stdin.isatty() and sys.stdout.isatty()):
        output.print_error("the screens need a terminal; 'fer-tui --help' lists commands that don't need one")
        return 2
    with terminal.reserve_terminal():
        app = FerApp(data or settings.data, folder, settings=settings)
        app.run(mouse=mouse and settings.mouse)
    return app.exit_status
