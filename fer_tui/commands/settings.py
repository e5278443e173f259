"""`fer-tui settings`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from fer_tui.commands.options import JsonOption
from fer_tui.console import output


def settings(
    example: Annotated[
        bool, typer.Option("--example", help="Print a settings file with all keys and defaults, commented out.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Show the current settings and the path of their file."""
    from fer_tui import settings_file as user

    if example:
        output.print_lines(user.example())
        return 0
    path = user.settings_path()
    values = asdict(user.load_settings())
    exists = path is not None and path.is_file()
    if json:
        output.print_json({"path": path, "exists": exists, "settings": values})
        return 0
    there = "" if exists else " (no such file, so defaults apply; 'fer-tui settings --example' prints one)"
    output.print_lines(f"{user.NO_HOME}\n" if path is None else f"{path}{there}\n")
    output.print_table(
        {"setting": "left", "value": "left", "meaning": "left"},
        [((name, _format(value), user.FIELDS[name].metadata["description"]), "") for name, value in values.items()],
    )
    return 0


def _format(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items()) or "-"
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
