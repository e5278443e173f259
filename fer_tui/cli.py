"""The command line: `main` is the console script `fer-tui`."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from core import log
from core.errors import ConfigError, FerError
from fer_tui import output, terminal
from fer_tui.commands import data, inspect, models, runs, search, serve, settings, train
from fer_tui.commands.options import Defaults

app = typer.Typer(
    name="fer-tui",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train, watch and compare facial expression models, and believe the numbers.\n\n"
    "Without a command the screens open.",
)
app.add_typer(data.app, name="data")
for command in (train.train, train.resume, train.stop, search.search):
    app.command()(command)
for command in (
    runs.runs,
    runs.compare,
    inspect.evaluate,
    inspect.predict,
    models.models,
    settings.settings,
    serve.serve,
):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"fer-tui {version('fer-tui')}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option("--data", help="Data set for the screens.", show_default=False)] = None,
    runs: Annotated[
        Path | None,
        typer.Option("--runs", help="Folder of runs; else $FER_TUI_RUNS, else ./runs.", show_default=False),
    ] = None,
    theme: Annotated[
        str | None, typer.Option("--theme", metavar="NAME", help="Theme of the screens.", show_default=False)
    ] = None,
    no_mouse: Annotated[bool, typer.Option("--no-mouse", help="Leave the mouse to the terminal.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keep what stands before the command for the command to use."""
    context.obj = Defaults(data=data, runs=runs, theme=theme, mouse=not no_mouse)
    if context.invoked_subcommand is None:
        from fer_tui.launch import run

        raise typer.Exit(run(data, runs, theme=theme, mouse=not no_mouse))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done, 1 the work failed, 2 the command line or config is wrong, 130 and the like interrupted.
    """
    try:
        status = typer.main.get_command(app).main(
            args=None if arguments is None else list(arguments), prog_name="fer-tui", standalone_mode=False
        )
        sys.stdout.flush()
    except typer.Abort:
        return 130
    except KeyboardInterrupt:
        output.fail("interrupted")
        return 130
    except ConfigError as error:
        output.fail(str(error))
        return 2
    except FerError as error:
        output.fail(str(error))
        return 1
    except BrokenPipeError:
        # The reader of a pipe has left, and wants to hear no more.
        output.give_up_stdout()
        return 1
    except OSError as error:
        output.give_up_stdout()
        output.fail(f"{error.filename or 'stdout'}: {error.strerror or error}; the command could not be finished")
        return 1
    except Exception as error:
        if hasattr(error, "format_message"):
            output.fail(f"{error.format_message()} See 'fer-tui --help'.")  # pyright: ignore
            return 2
        with log.output_to(terminal.app_log()):
            log.say(traceback.format_exc())
        first = (str(error).strip() or "no message").splitlines()[0]
        output.fail(f"{type(error).__name__}: {first}; a fault of fer-tui, its traceback is in {terminal.app_log()}")
        return 1
    return status if isinstance(status, int) else 0
