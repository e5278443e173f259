"""Errors for the user: one line that says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import overload


def first_line(error: Exception, fallback: str | None = None) -> str:
    """Return the first line of another library's error message.

    Args:
        error: the error.
        fallback: the text for an error without a message; None for the name of the error's type.
    """
    return (str(error).strip() or fallback or type(error).__name__).splitlines()[0]


def suggest_name(name: str, known: Iterable[str], fallback: str, *, cutoff: float = 0.6) -> str:
    """Return a hint for an error about an unknown name: the most similar known name, whatever the capitals.

    Args:
        name: the unknown name.
        known: the valid names.
        fallback: the hint if no name is similar.
        cutoff: the least similarity of a name to be suggested, from 0 to 1.
    """
    folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=cutoff)
    return f"did you mean '{folded[near[0]]}'?" if near else fallback


class FerError(Exception):
    """The base class of errors for the user. The message is one line.

    The error names a setting by its Python name: `ConfigError("epochs", "give 3 or more")`. The command line shows that
    name as `--epochs`, a form shows the field's label.

    Attributes:
        field: the name of the wrong setting: a TrainingConfig field, or another name such as `split` or `output`; empty
            if the error is not about a setting.
        message: what is wrong and what to do, without the field.
        source: the file, or the table of the file, that sets the field; empty if no file sets it.
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
    """A setting or a parameter is invalid."""


class DatasetError(FerError):
    """The data set can't be read, or has no usable images."""


class RunError(FerError):
    """A run directory is missing or damaged, or another process is writing to it."""


class WeightsError(FerError):
    """Pretrained weights can't be loaded, or do not fit the model."""


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun, singular or plural: "1 image", "1,200 images"."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
