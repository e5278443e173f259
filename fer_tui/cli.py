"""The command line; the console script `fer-tui` calls `main`."""

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

from fer_tui.console.streams import prepare_streams

if TYPE_CHECKING:
    from core.errors import FerError

# The options of the screens, which `fer_tui.commands.group` defines too.
_VALUES: Mapping[str, Callable[[str], Any]] = {"data": Path, "runs": Path, "theme": str}
_NO_MOUSE = "no-mouse"
# The command line's names for those fields of errors that are not named `--field`.
_NAMES: Mapping[str, str] = {"output": "OUTPUT", "target": "--output", "kind": "--to"}
# The commands that load TensorFlow in their own process. Those that train do so in child processes.
_WATCHED = ("evaluate", "predict", "explain", "review", "export", "log")
# Former flags that now take a value; they may still be given without one.
_ONCE_FLAGS = ("--jit-compile",)
# The environment variable that a shell sets to request completions.
COMPLETION = "_FER_TUI_COMPLETE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the screens, or run a command.

    Returns:
        The exit status: 0 for success, 1 for a failure, 2 for a wrong command line or config, and 128 + number (such
        as 130 for Ctrl+C) for a signal.
    """
    prepare_streams()
    is_own_process = arguments is None
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    intruder = foreign_core()
    if intruder is not None:
        sys.stderr.write(
            f"fer-tui: {intruder}: another package named 'core' hides fer-tui's own; run 'fer-tui' instead of "
            "'python -m fer_tui', and remove the package's folder from PYTHONPATH\n"
        )
        return 1
    # Import these only now: the other package does not have these modules.
    from core.errors import ConfigError, FerError, first_line
    from core.system import log
    from core.system.program import set_up_program
    from fer_tui.console import output, terminal

    set_up_program()
    try:
        wanted = parse_screen_options(arguments)
        if wanted is not None:
            # Garbage collection takes a sixth of the time to the first paint; the poller enables it again.
            gc.disable()
            from fer_tui.launch import run_app

            status = run_app(**wanted)
        else:
            status = _watch(arguments) if is_own_process else None
            if status is None:
                status = _run_command(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        output.print_error("interrupted")
        return 130
    except FerError as error:
        output.print_error(format_error(error))
        return 2 if isinstance(error, ConfigError) else 1
    except BrokenPipeError:
        # The reader of the pipe has closed it.
        output.discard_stdout()
        return 1
    except OSError as error:
        output.discard_stdout()
        output.print_error(f"{error.filename or 'stdout'}: {error.strerror or error}; the command did not finish")
        return 1
    except MemoryError:
        output.print_error("out of memory; close other programs, or raise the limit of memory ('ulimit -v')")
        return 1
    except Exception as error:
        from core.system.limits import describe_thread_limit

        if limit := describe_thread_limit(error):
            output.print_error(limit)
            return 1
        if hasattr(error, "format_message"):
            output.print_error(f"{error.format_message()} See 'fer-tui --help'.")  # pyright: ignore
            return 2
        with log.log_to_file(terminal.app_log_path()):
            os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
        first = first_line(error, "no message")
        output.print_error(
            f"{type(error).__name__}: {first}; this is a bug in fer-tui; the traceback is in {terminal.app_log_path()}"
        )
        return 1
    return status if isinstance(status, int) else 0


def format_error(error: FerError) -> str:
    """Format an error for the command line; it names the wrong option or argument, or the wrong key of a file."""
    if error.source or not error.field:
        return str(error)
    return f"{_NAMES.get(error.field) or '--' + error.field.replace('_', '-')}: {error.message}"


def foreign_core() -> str | None:
    """Return the path of another package that Python would import as `core`; None if it would import fer-tui's."""
    ours = Path(__file__).resolve().parent.parent / "core"
    found = find_spec("core")
    places = (
        [] if found is None else [*(found.submodule_search_locations or ()), *([found.origin] if found.origin else [])]
    )
    if any(Path(place).resolve() in (ours, ours / "__init__.py") for place in places):
        return None
    return places[0] if places else str(ours)


def parse_screen_options(arguments: Sequence[str]) -> dict[str, Any] | None:
    """Parse a command line that only opens the screens into the arguments of `fer_tui.launch.run_app`.

    Typer would take a third of the time to the first paint for it.

    Returns:
        The arguments, or None for any other command line.
    """
    if COMPLETION in os.environ:
        return None
    try:
        options, rest = getopt.getopt(list(arguments), "", [*(f"{name}=" for name in _VALUES), _NO_MOUSE])
    except getopt.GetoptError:
        return None
    # Reject abbreviations, which getopt accepts.
    written = {argument.partition("=")[0] for argument in arguments}
    if rest or not all(name in written for name, _ in options):
        return None
    wanted: dict[str, Any] = {"mouse": True}
    for flag, value in options:
        name = flag.removeprefix("--")
        wanted |= {"mouse": False} if name == _NO_MOUSE else {name: _VALUES[name](value)}
    return wanted


def expand_former_flags(arguments: Sequence[str]) -> list[str]:
    """Add the value `on` to a former flag without a value, and replace its `--no-` form by the value `off`."""
    expanded: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        option = argument.replace("--no-", "--", 1)
        has_value = following and not following.startswith("-")
        if option not in _ONCE_FLAGS or (option == argument and has_value):
            expanded.append(argument)
        else:
            expanded.append(f"{option}={'on' if option == argument else 'off'}")
    return expanded


def _watch(arguments: list[str]) -> int | None:
    """Continue in a child process for a command that loads TensorFlow, see `fork_watched`; None in that process."""
    try:
        _, rest = getopt.getopt(arguments, "", [*(f"{name}=" for name in _VALUES), _NO_MOUSE])
    except getopt.GetoptError:
        return None
    if COMPLETION in os.environ or not rest or rest[0] not in _WATCHED:
        return None
    from core.system.limits import check_limits
    from fer_tui.console.watched import fork_watched

    check_limits()
    return fork_watched()


def _run_command(arguments: list[str]) -> Any:
    import typer

    from fer_tui.commands.group import app

    try:
        return typer.main.get_command(app).main(
            args=expand_former_flags(arguments), prog_name="fer-tui", standalone_mode=False
        )
    except typer.Abort:
        return 130
