"""What the commands print: results on stdout, messages on stderr, nothing that could steer a terminal."""

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

# A copy of the terminal while TensorFlow's output goes to a log (see `fer_tui.console.terminal`).
terminal_copy: TextIO | None = None


def message_stream() -> TextIO:
    """Where messages go: stderr as it is now, or the copy of the terminal."""
    return sys.stderr if terminal_copy is None else terminal_copy


def escape_control(text: str) -> str:
    """Text from disk with its control characters, and what reorders or breaks a line, shown instead of sent."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def print_message(message: str) -> None:
    """One line on stderr; a reader that has left must not end the work."""
    line = escape_control(message) + "\n"
    with contextlib.suppress(OSError):
        try:
            message_stream().write(line)
            message_stream().flush()
        except RuntimeError:
            # A signal's handler speaks in the middle of another message: past the buffer that is in use.
            os.write(message_stream().fileno(), line.encode())


def print_error(message: str) -> None:
    """One line on stderr that says what went wrong."""
    print_message(f"fer-tui: {message}")


def print_warnings(problems: Iterable[Problem]) -> None:
    """A line a problem on stderr."""
    for problem in problems:
        print_message(f"warning: {problem.message}")


def print_json(value: Any) -> None:
    """One JSON document on stdout, what could steer a terminal as JSON's own escapes."""
    text = files.to_json(value)
    sys.stdout.write("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def print_lines(text: str) -> None:
    """Whole lines on stdout."""
    sys.stdout.write("\n".join(escape_control(line) for line in text.split("\n")))


def discard_stdout() -> None:
    """Send nowhere what stdout still holds and can't be written, so that the interpreter's last flush is silent."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def console() -> Console:
    """A Rich console on stdout that keeps tables whole where stdout is no terminal."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            # Rich would end the process with status 1, whatever the command has still to say.
            raise BrokenPipeError

    return Output(highlight=False, width=None if sys.stdout.isatty() else 200)


def table(columns: Mapping[str, str]) -> Table:
    """An empty Rich table.

    Args:
        columns: headings to justification, `left` or `right`.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    *_, last = columns
    for heading, justify in columns.items():
        # The last column, the one with words, makes room for the others.
        made.add_column(
            heading, justify="right" if justify == "right" else "left", no_wrap=heading != last, overflow="fold"
        )
    return made


def print_table(columns: Mapping[str, str], rows: Iterable[tuple[Iterable[str], str]]) -> None:
    """Print rows of cells, each row with its Rich style.

    Args:
        columns: headings to justification, `left` or `right`.
        rows: cells and the row's style.
    """
    from rich.text import Text

    made = table(columns)
    for cells, style in rows:
        made.add_row(*(Text(escape_control(cell)) for cell in cells), style=style)
    console().print(made)


def on_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can redraw a line."""
    return stream.isatty()
