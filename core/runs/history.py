"""Read history.csv, which has one row of metrics per epoch."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import overload

from core.system import files

METRICS = ("loss", "accuracy", "precision", "recall")
HISTORY_COLUMNS = (
    "epoch",
    *METRICS,
    *(f"val_{metric}" for metric in METRICS),
    "learning_rate",
    "seconds",
    "images_per_second",
)
NAN = float("nan")

Epochs = Sequence[Mapping[str, float]]


def is_lower_better(figure: str) -> bool:
    """Return whether lower values of a metric are better. This is true for losses only."""
    return figure.endswith("loss")


class History(Sequence[Mapping[str, float]]):
    """The epochs of a history.csv. Each one maps HISTORY_COLUMNS to numbers, NaN for missing values.

    Columns and rows are parsed on access, because parsing numbers takes most of the time and a list of a thousand runs
    needs only two of the twelve columns.
    """

    def __init__(self, header: str, lines: Sequence[str]) -> None:
        """Keep the lines of a file; lines without an epoch are dropped.

        Args:
            header: the first line.
            lines: the other lines.
        """
        self._places = {name: at for at, name in enumerate(header.split(",")) if name in HISTORY_COLUMNS}
        self._lines = list(lines)
        self._columns: dict[str, Sequence[float]] = {}
        epochs = self.column("epoch")
        if any(epoch != epoch for epoch in epochs):
            self._lines = [line for line, epoch in zip(lines, epochs, strict=True) if epoch == epoch]
            self._columns.clear()

    def column(self, name: str) -> Sequence[float]:
        """Return a metric's value for every epoch."""
        if name not in self._columns:
            self._columns[name] = self._numbers(name)
        return self._columns[name]

    def _numbers(self, name: str) -> Sequence[float]:
        at = self._places.get(name)
        if at is None:
            return [NAN] * len(self._lines)
        try:
            return array("d", [float(line.split(",", at + 1)[at]) for line in self._lines])
        except (ValueError, IndexError):
            return array("d", [_number(line.split(","), at) for line in self._lines])

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, at: int) -> Mapping[str, float]: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Mapping[str, float], ...]: ...
    def __getitem__(self, at: int | slice) -> Mapping[str, float] | tuple[Mapping[str, float], ...]:
        if isinstance(at, slice):
            return tuple(self[number] for number in range(*at.indices(len(self))))
        cells = self._lines[at].split(",")
        return {name: _number(cells, self._places.get(name)) for name in HISTORY_COLUMNS}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, History):
            return self._places == other._places and self._lines == other._lines
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self._lines))


def column(epochs: Epochs, name: str) -> Sequence[float]:
    """Return a metric's value for every epoch, NaN for missing values."""
    return epochs.column(name) if isinstance(epochs, History) else [epoch.get(name, NAN) for epoch in epochs]


def read_history(path: Path) -> History:
    """Read the complete rows of a history.csv. A last line without a line break and rows without an epoch are dropped.

    A missing or unreadable file has no rows.
    """
    try:
        text = files.read_bytes(path).decode("utf-8", errors="replace")
    except OSError:
        text = ""
    # The csv module is not used: a stray quote would make it join the lines that follow.
    header, *lines = text[: text.rfind("\n") + 1].splitlines() or [""]
    return History(header, lines)


def _number(cells: Sequence[str], at: int | None) -> float:
    try:
        return NAN if at is None else float(cells[at])
    except (ValueError, IndexError):
        return NAN
