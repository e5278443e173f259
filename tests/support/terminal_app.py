"""The app in a terminal as a user sees it: size, text, keys and clicks."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte
from installed import COMMAND, DEADLINE, RunningCommand

SIZES = ((80, 24), (132, 43))
# Output of TensorFlow, its libraries and Python, except for fer-tui's own "loading TensorFlow".
FOREIGN_OUTPUT = re.compile(r"tensorflow/|[IWEF]0000 |absl|oneDNN|cuda|TF-TRT|\bXLA\b|WARNING|Warning:|Traceback")
# Sequences of the keyboard protocols of Kitty and xterm, which pyte would print.
_PRIVATE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]")
_UNFINISHED = re.compile(rb"\x1b[^a-zA-Z\x1b]*$")
KEYS: Mapping[str, str] = {
    "enter": "\r",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "escape": "\x1b",
    "space": " ",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "ctrl+end": "\x1b[1;5F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "backspace": "\x7f",
    "delete": "\x1b[3~",
    "ctrl+p": "\x10",
    "ctrl+q": "\x11",
    "ctrl+s": "\x13",
    "ctrl+u": "\x15",
}


class TerminalApp(RunningCommand):
    """The app in its own terminal."""

    def __init__(
        self,
        *arguments: str | Path,
        size: tuple[int, int] = (80, 24),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        command: Sequence[str | Path] = (COMMAND,),
        in_new_process: bool = False,
    ) -> None:
        """Open the app.

        Args:
            arguments: of the command, without a subcommand.
            size: columns and rows.
            env: besides our own environment.
            cwd: where it is started.
            command: what is started with these arguments.
            in_new_process: as `RunningCommand` has it.
        """
        self._model = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._model)
        self._pending_bytes = b""
        self._changed = threading.Condition()
        self._came = time.monotonic()
        env = {"COLORTERM": "truecolor", **(env or {})}
        super().__init__(
            *arguments,
            on_terminal=True,
            size=size,
            env=env,
            cwd=cwd,
            command=command,
            in_new_process=in_new_process,
        )

    @property
    def text(self) -> str:
        """The text of the screen, one line for each row."""
        with self._changed:
            return "\n".join(self._model.display)

    def backgrounds(self, pattern: str) -> list[tuple[str, str]]:
        """Return the match of a pattern's group in each row, with its background colour, at one moment."""
        with self._changed:
            found = ((row, re.search(pattern, line)) for row, line in enumerate(self._model.display))
            return [(match[1], self._model.buffer[row][match.start(1)].bg) for row, match in found if match]

    def press(self, *keys: str) -> None:
        """Press keys one after another: names in KEYS, or characters."""
        for key in keys:
            self.write(KEYS.get(key, key).encode())

    def click(self, text: str, *, last: bool = False) -> None:
        """Wait for a text on the screen and click in the middle of its first or last occurrence."""
        row, column = self._place(text, self.wait_for(text).split("\n"), last=last)
        self.click_at(column, row)

    def click_at(self, column: int, row: int) -> None:
        """Click a cell, counted from 0."""
        self.write(f"\x1b[<0;{column + 1};{row + 1}M\x1b[<0;{column + 1};{row + 1}m".encode())

    def wait_for(self, wanted: str | Callable[[str], object], seconds: float = DEADLINE) -> str:
        """Wait until the screen contains a text or fulfils a condition, and return its text.

        Raises:
            TimeoutError: the text does not appear in time, or the process has ended.
        """
        is_there = wanted if callable(wanted) else lambda text: wanted in text
        end = time.monotonic() + seconds
        with self._changed:
            while not is_there(text := "\n".join(self._model.display)):
                if time.monotonic() > end or self.has_ended:
                    why = "has ended" if self.has_ended else "shows no such thing"
                    raise TimeoutError(f"{wanted!r}: the app {why}:\n{text}")
                self._changed.wait(0.1)
        return text

    @staticmethod
    def _place(text: str, rows: Sequence[str], *, last: bool = False) -> tuple[int, int]:
        row = (max if last else min)(number for number, line in enumerate(rows) if text in line)
        return row, (rows[row].rindex if last else rows[row].index)(text) + len(text) // 2

    def wait_until_stable(self, seconds: float = 0.3) -> None:
        """Wait until the screen has not changed for the given time, as a user does before a click."""
        self.wait_for(lambda text: time.monotonic() - self._came > seconds)

    def _take(self, name: str, content: bytes) -> None:
        super()._take(name, content)
        content = self._pending_bytes + content
        unfinished = _UNFINISHED.search(content)
        self._pending_bytes = content[unfinished.start() :] if unfinished else b""
        with self._changed:
            self._stream.feed(_PRIVATE.sub(b"", content[: len(content) - len(self._pending_bytes)]))
            self._came = time.monotonic()
            self._changed.notify_all()
