"""Options that several commands share."""

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
from core.system import files


@dataclass(frozen=True)
class GlobalOptions:
    """The options given before the command: `fer-tui --runs A runs` equals `fer-tui runs --runs A`."""

    data: Path | None = None
    runs: Path | None = None
    theme: str | None = None
    mouse: bool = True


def resolve_runs_folder(context: typer.Context, option: Path | None) -> Path:
    """Return the folder of runs.

    It comes from the command's option, else the option before the command, else $FER_TUI_RUNS, else the setting
    `runs`, else ./runs.
    """
    given = option or context.obj.runs
    if given is None and not os.environ.get("FER_TUI_RUNS"):
        from fer_tui.settings_file import load_settings

        given = load_settings().runs
    return runs_folder(given)


def complete_run(incomplete: str) -> list[str]:
    """Complete a run's name for the shell, from the default folder: the command line is not parsed yet."""
    try:
        names = [path.name for path in list_runs(runs_folder(None))]
    except RunError:
        names = []
    return [name for name in ("latest", *names) if name.startswith(incomplete)]


def complete_model(incomplete: str) -> list[str]:
    """Complete a model's name for the shell."""
    return [name for name in MODELS if name.startswith(incomplete)]


def write_target(target: Path, content: bytes) -> None:
    """Write the file of the option `--output`.

    Raises:
        RunError: the file can't be written.
    """
    try:
        files.write_output(target, content)
    except OSError as error:
        raise RunError("target", f"{target}: {error.strerror}; name a file that can be written") from None


RunsOption = Annotated[
    Path | None,
    typer.Option("--runs", help="Folder of runs. [default: $FER_TUI_RUNS or ./runs]", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only one JSON document on stdout.")]
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
    typer.Option("--config", metavar="FILE.toml", help="TOML file of settings. Flags override it.", show_default=False),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="|".join(PRESETS),
        help="Named group of settings. --config and flags override it. "
        + "; ".join(f"{preset.name}: {preset.summary} ({preset.expectation})" for preset in PRESETS.values())
        + f". In brackets: validation accuracy on FER2013 and training time on {MACHINE}.",
        autocompletion=lambda: list(PRESETS),
        show_default=False,
    ),
]
