"""Options that several commands have."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from core.config.presets import MACHINE, PRESETS
from core.errors import RunError
from core.models.registry import MODELS
from core.runs.reader import list_runs, runs_folder


@dataclass(frozen=True)
class GlobalOptions:
    """What stood before the command: `fer-tui --runs A runs` counts like `fer-tui runs --runs A`."""

    data: Path | None = None
    runs: Path | None = None
    theme: str | None = None
    mouse: bool = True


def resolve_runs_folder(context: typer.Context, option: Path | None) -> Path:
    """RUNS, from the command's option, the one before the command, the environment, the settings, or ./runs."""
    given = option or context.obj.runs
    if given is None and not os.environ.get("FER_TUI_RUNS"):
        from fer_tui.settings_file import load_settings

        given = load_settings().runs
    return runs_folder(given)


def complete_run(incomplete: str) -> list[str]:
    """Names of runs for the shell; of the default folder, since the line is not parsed yet."""
    try:
        names = [path.name for path in list_runs(runs_folder(None))]
    except RunError:
        names = []
    return [name for name in ("latest", *names) if name.startswith(incomplete)]


def complete_model(incomplete: str) -> list[str]:
    """Names of models for the shell."""
    return [name for name in MODELS if name.startswith(incomplete)]


RunsOption = Annotated[
    Path | None,
    typer.Option("--runs", help="Folder of runs; else $FER_TUI_RUNS, else ./runs.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run directory, a unique prefix of its name, or 'latest'.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE.toml", help="Settings by their names; flags win over it.", show_default=False
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="|".join(PRESETS),
        help="Settings to begin with; file and flags win over them: "
        + "; ".join(f"{preset.name}: {preset.summary} ({preset.expectation})" for preset in PRESETS.values())
        + f". In brackets: FER2013's validation accuracy and the time on {MACHINE}.",
        autocompletion=lambda: list(PRESETS),
        show_default=False,
    ),
]
