"""Opening the screens: the settings, the terminal for them alone, and the status that they end with."""

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
        data: a data set to read at once, else the settings'.
        runs: RUNS, else $FER_TUI_RUNS, else the settings', else ./runs.
        theme: a theme's name, else the settings' or the one chosen last.
        mouse: whether to take the mouse where the settings do.

    Returns:
        The exit status.

    Raises:
        ConfigError: the settings or the theme's name are wrong.
    """
    if theme is not None and theme not in theme_names():
        raise ConfigError("theme", unknown_theme_message(theme))
    settings = load_settings()
    if theme is not None:
        settings = replace(settings, theme=theme)
    folder = runs or (None if os.environ.get("FER_TUI_RUNS") else settings.runs)
    if not constants.DRIVER and not (sys.stdin.isatty() and sys.stdout.isatty()):
        output.print_error("the screens need a terminal; 'fer-tui --help' lists the commands, which don't")
        return 2
    with terminal.reserve_terminal():
        app = FerApp(data or settings.data, folder, settings=settings)
        app.run(mouse=mouse and settings.mouse)
    return app.exit_status
