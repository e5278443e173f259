"""The errors that a user is meant to read: one line that names what was wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def first_line(error: Exception, otherwise: str | None = None) -> str:
    """What an error of somebody else's says, in its first line.

    Args:
        error: the error.
        otherwise: for one that says nothing; None for the name of its type.
    """
    return (str(error).strip() or otherwise or type(error).__name__).splitlines()[0]


def nearest(name: str, known: Iterable[str], otherwise: str, *, cutoff: float = 0.6) -> str:
    """The hint of an error about an unknown name: the known name that is nearest to it.

    Args:
        name: the unknown name.
        known: the names that there are.
        otherwise: the hint where no name is near.
        cutoff: how alike two names must be, from 0 to 1, to be called near.
    """
    near = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"did you mean '{near[0]}'?" if near else otherwise


class FerError(Exception):
    """The work can't go on; the message is one line for the user."""


class ConfigError(FerError):
    """A flag or a key of the config file is wrong."""


class DatasetError(FerError):
    """The data set can't be read, or there is nothing in it to work on."""


class RunError(FerError):
    """A run directory is missing, damaged, or another process is writing it."""


class WeightsError(FerError):
    """Pretrained weights can't be had, or do not fit the model."""


def counted(number: int, noun: str) -> str:
    """A number of things as people write it."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
