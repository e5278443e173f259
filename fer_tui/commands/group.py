"""All commands as one Typer app, and the options that may precede a command."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from core.system.version import __version__
from fer_tui.commands.options import GlobalOptions

# The module and function of each command. Only the called command is imported: the screens need none of them.
COMMANDS = {
    "data": "data:app",
    "train": "train:train",
    "resume": "train:resume",
    "stop": "train:stop",
    "search": "search:search",
    "cluster": "cluster:app",
    "runs": "runs:runs",
    "compare": "runs:compare",
    "evaluate": "evaluate:evaluate",
    "predict": "inspect:predict",
    "explain": "inspect:explain",
    "review": "review:review",
    "export": "export:export",
    "log": "export:log",
    "models": "models:models",
    "settings": "settings:settings",
    "serve": "serve:serve",
}


class _Commands(Mapping[str, Any]):
    """The commands by name, each created at its first use."""

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = COMMANDS[name].partition(":")
        found = getattr(import_module(f"fer_tui.commands.{module}"), attribute)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(name)(found)
            found = alone
        command = typer.main.get_command(found)
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Group(TyperGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands()


app = typer.Typer(
    name="fer-tui",
    cls=_Group,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train, watch and compare models for facial expression recognition.\n\n"
    "Without a command, fer-tui opens its screens.",
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"fer-tui {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option("--data", help="Data set: a folder of faces or fer2013.csv.", show_default=False)
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option("--runs", help="Folder of runs. [default: $FER_TUI_RUNS or ./runs]", show_default=False),
    ] = None,
    theme: Annotated[
        str | None, typer.Option("--theme", metavar="NAME", help="Theme of the screens.", show_default=False)
    ] = None,
    no_mouse: Annotated[
        bool, typer.Option("--no-mouse", help="Do not capture the mouse, so that the terminal can select text.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Store the options that precede the command, or open the screens if there is no command."""
    context.obj = GlobalOptions(data=data, runs=runs, theme=theme, mouse=not no_mouse)
    if context.invoked_subcommand is None:
        from fer_tui.launch import run_app

        raise typer.Exit(run_app(data, runs, theme=theme, mouse=not no_mouse))
