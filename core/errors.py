"""The errors that a user is meant to read: one line that names what was wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import overload


def first_line(error: Exception, fallback: str | None = None) -> str:
    """What an error of somebody else's says, in its first line.

    Args:
        error: the error.
        otherwise: for one that says nothing; None for the name of its type.
    """
    return (str(error).strip() or fallback or type(error).__name__).splitlines()[0]


def suggest_name(name: str, known: Iterable[str], fallback: str, *, cutoff: float = 0.6) -> str:
    """The hint of an error about an unknown name: the known name that is nearest to it.

    Args:
        name: the unknown name.
        known: the names that there are.
        otherwise: the hint where no name is near.
        cutoff: how alike two names must be, from 0 to 1, to be called near.
    """
    near = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"did you mean '{near[0]}'?" if near else fallback


class FerError(Exception):
    """The work can't go on; the message is one line for the user.

    It names a setting as Python does, `ConfigError("epochs", "give 3 or more")`. Who shows it knows how the user writes
    that name: the command line says `--epochs`, a form says its label.

    Attributes:
        field: what is wrong, a TrainingConfig field or another such name, `split` or `output`; empty where the message
            says what is.
        message: what is wrong and what to do, without the field.
        source: the file, or the table in it, that has the field as a key; empty where it stands in none.
    """

    @overload
    def __init__(self, message: str, /, *, source: str = "") -> None: ...
    @overload
    def __init__(self, field: str, message: str, /, *, source: str = "") -> None: ...
    def __init__(self, *words: str, source: str = "") -> None:
        super().__init__(*words)
        self.field, self.message = ("", *words)[-2:]
        self.source = source

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.source, self.field, self.message)))


class ConfigError(FerError):
    """A setting or a parameter is wrong."""


class DatasetError(FerError):
    """The data set can't be read, or there is nothing in it to work on."""


class RunError(FerError):
    """A run directory is missing, damaged, or another process is writing it."""


class WeightsError(FerError):
    """Pretrained weights can't be had, or do not fit the model."""


def pluralize(number: int, noun: str) -> str:
    """A number of things as people write it."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
