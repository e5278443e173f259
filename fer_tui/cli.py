"""The command line: `main` is the console script `fer-tui`."""

from __future__ import annotations

import gc
import getopt
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.errors import FerError

# The options of the screens, as `fer_tui.commands.group` has them too.
_VALUES: Mapping[str, Callable[[str], Any]] = {"data": Path, "runs": Path, "theme": str}
_NO_MOUSE = "no-mouse"
# What an error calls `field`, where the command line has another name for it than `--field`.
_NAMES: Mapping[str, str] = {"output": "OUTPUT", "target": "--output", "kind": "--to"}
# Options that were flags once, and may stand without a value.
_ONCE_FLAGS = ("--jit-compile",)
# Set where a shell asks for completions.
COMPLETION = "_FER_TUI_COMPLETE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the screens, or run a command.

    Returns:
        0 done, 1 the work failed, 2 the command line or config is wrong, 130 and the like interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    intruder = foreign_core()
    if intruder is not None:
        sys.stderr.write(
            f"fer-tui: {intruder}: another package named 'core' hides fer-tui's own; run 'fer-tui' and not "
            "'python -m fer_tui' there, and take its folder out of PYTHONPATH\n"
        )
        return 1
    # Not before: the other package has no such modules.
    from core.errors import ConfigError, FerError, first_line
    from core.system import log
    from core.system.program import set_up_program
    from fer_tui.console import output, terminal

    set_up_program()
    try:
        wanted = parse_screen_options(arguments)
        if wanted is not None:
            # A sixth of the time to the first paint; the follower turns it on again.
            gc.disable()
            from fer_tui.launch import run_app

            status = run_app(**wanted)
        else:
            status = _run_command(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        output.print_error("interrupted")
        return 130
    except FerError as error:
        output.print_error(format_error(error))
        return 2 if isinstance(error, ConfigError) else 1
    except BrokenPipeError:
        # The reader of a pipe has left, and wants to hear no more.
        output.discard_stdout()
        return 1
    except OSError as error:
        output.discard_stdout()
        output.print_error(
            f"{error.filename or 'stdout'}: {error.strerror or error}; the command could not be finished"
        )
        return 1
    except Exception as error:
        if hasattr(error, "format_message"):
            output.print_error(f"{error.format_message()} See 'fer-tui --help'.")  # pyright: ignore
            return 2
        with log.log_to_file(terminal.app_log_path()):
            os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
        first = first_line(error, "no message")
        output.print_error(
            f"{type(error).__name__}: {first}; a fault of fer-tui, its traceback is in {terminal.app_log_path()}"
        )
        return 1
    return status if isinstance(status, int) else 0


def format_error(error: FerError) -> str:
    """An error as the user of a command reads it: with the option or argument, or the file's key, that is wrong."""
    if error.source or not error.field:
        return str(error)
    return f"{_NAMES.get(error.field) or '--' + error.field.replace('_', '-')}: {error.message}"


def foreign_core() -> str | None:
    """Find the package named `core` that Python would import in place of ours; None if it is ours."""
    ours = Path(__file__).resolve().parent.parent / "core"
    found = find_spec("core")
    places = (
        [] if found is None else [*(found.submodule_search_locations or ()), *([found.origin] if found.origin else [])]
    )
    if any(Path(place).resolve() in (ours, ours / "__init__.py") for place in places):
        return None
    return places[0] if places else str(ours)


def parse_screen_options(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The arguments of `fer_tui.launch.run_app` where only the screens are wanted; None for any other command line.

    Typer gives the same, and takes a third of the time until the first paint for it.
    """
    if COMPLETION in os.environ:
        return None
    try:
        options, rest = getopt.getopt(list(arguments), "", [*(f"{name}=" for name in _VALUES), _NO_MOUSE])
    except getopt.GetoptError:
        return None
    # It would take an abbreviation too.
    written = {argument.partition("=")[0] for argument in arguments}
    if rest or not all(name in written for name, _ in options):
        return None
    wanted: dict[str, Any] = {"mouse": True}
    for flag, value in options:
        name = flag.removeprefix("--")
        wanted |= {"mouse": False} if name == _NO_MOUSE else {name: _VALUES[name](value)}
    return wanted


def expand_former_flags(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `on` for an option that stands without its value, and `off` for its `--no-` form."""
    said: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        option = argument.replace("--no-", "--", 1)
        has_value = following and not following.startswith("-")
        if option not in _ONCE_FLAGS or (option == argument and has_value):
            said.append(argument)
        else:
            said.append(f"{option}={'on' if option == argument else 'off'}")
    return said


def _run_command(arguments: list[str]) -> Any:
    import typer

    from fer_tui.commands.group import app

    try:
        return typer.main.get_command(app).main(
            args=expand_former_flags(arguments), prog_name="fer-tui", standalone_mode=False
        )
    except typer.Abort:
        return 130
