from __future__ import annotations

import io
import os

import pytest

from fer_tui.console import output


class Busy(io.TextIOWrapper):
    """A stream that a signal handler writes to during another write."""

    def write(self, text: str) -> int:
        raise RuntimeError("reentrant call inside <_io.BufferedWriter>")


def test_a_message_in_the_middle_of_another_is_told(monkeypatch: pytest.MonkeyPatch):
    read, write = os.pipe()
    with Busy(os.fdopen(write, "wb")) as stream:
        monkeypatch.setattr(output, "terminal_copy", stream)
        output.print_message("stopping\x1b[31m")
    with os.fdopen(read) as told:
        assert told.read() == "stopping\\x1b[31m\n"


def test_a_reader_that_has_left_ends_nothing(monkeypatch: pytest.MonkeyPatch):
    read, write = os.pipe()
    os.close(read)
    stream = Busy(os.fdopen(write, "wb"))
    monkeypatch.setattr(output, "terminal_copy", stream)
    output.print_message("to nobody")
    stream.close()
