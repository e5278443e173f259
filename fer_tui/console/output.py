"""Printing for the commands: results on stdout, messages on stderr, control characters escaped."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from core.system import files

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from core.data.dataset import Problem

# A copy of stderr while TensorFlow's output is redirected to a log (see `fer_tui.console.terminal`).
terminal_copy: TextIO | None = None


def message_stream() -> TextIO:
    """Return the stream for messages: the copy of the terminal if there is one, else stderr."""
    return sys.stderr if terminal_copy is None else terminal_copy


def escape_control(text: str) -> str:
    """Escape the control characters of a text, and characters that reorder or break a line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def print_message(message: str) -> None:
    """Print one line on stderr. A closed stderr raises no error, so that the work continues."""
    line = escape_control(message) + "\n"
    with contextlib.suppress(OSError):
        try:
            message_stream().write(line)
            message_stream().flush()
        except RuntimeError:
            # A signal handler prints while another message is written: bypass the buffer, which is in use.
            os.write(message_stream().fileno(), line.encode())


def print_error(message: str) -> None:
    """Print an error as one line on stderr."""
    print_message(f"fer-tui: {message}")


def print_warnings(problems: Iterable[Problem]) -> None:
    """Print one line for each problem on stderr."""
    for problem in problems:
        print_message(f"warning: {problem.message}")


def print_json(value: Any) -> None:
    """Print one JSON document on stdout; control characters and those that stdout can't encode are JSON escapes."""
    text = files.to_json(value)
    text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in text)
    sys.stdout.write(text)


def print_lines(text: str) -> None:
    """Print a text on stdout and escape the control characters in its lines."""
    sys.stdout.write("\n".join(escape_control(line) for line in text.split("\n")))


def discard_stdout() -> None:
    """Redirect stdout to /dev/null, so that Python's flush at exit raises no error for unwritten output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def console() -> Console:
    """Return a Rich console on stdout; it is 200 columns wide if stdout is not a terminal."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            # Rich would exit with status 1 here, before the command can print its messages.
            raise BrokenPipeError

    return Output(highlight=False, width=None if sys.stdout.isatty() else 200)


def table(columns: Mapping[str, str]) -> Table:
    """Create an empty Rich table.

    Args:
        columns: maps each heading to its justification, `left` or `right`.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    *_, last = columns
    for heading, justify in columns.items():
        # Only the last column, which holds text, may wrap.
        made.add_column(
            heading, justify="right" if justify == "right" else "left", no_wrap=heading != last, overflow="fold"
        )
    return made


def print_table(columns: Mapping[str, str], rows: Iterable[tuple[Iterable[str], str]]) -> None:
    """Print a table on stdout.

    Args:
        columns: maps each heading to its justification, `left` or `right`.
        rows: the cells and the Rich style of each row.
    """
    from rich.text import Text

    made = table(columns)
    for cells, style in rows:
        made.add_row(*(Text(escape_control(cell)) for cell in cells), style=style)
    console().print(made)


def on_terminal(stream: TextIO) -> bool:
    """Return whether a stream is a terminal, which can redraw a line."""
    return stream.isatty()
