"""Reading history.csv: a row of figures an epoch, by column and by row."""

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
    """Whether a lower value of a figure is the better one: of a loss, and of nothing else."""
    return figure.endswith("loss")


class History(Sequence[Mapping[str, float]]):
    """The epochs of a history.csv, a mapping of HISTORY_COLUMNS to numbers each; NaN where the file says nothing.

    A column, or a row, is made of the file's lines when it is asked for: a list of a thousand runs wants two columns of
    twelve, and to turn text into numbers is what takes the time.
    """

    def __init__(self, header: str, lines: Sequence[str]) -> None:
        """The file's first line and the others; one without an epoch is left out."""
        self._places = {name: at for at, name in enumerate(header.split(",")) if name in HISTORY_COLUMNS}
        self._lines = list(lines)
        self._columns: dict[str, Sequence[float]] = {}
        epochs = self.column("epoch")
        if any(epoch != epoch for epoch in epochs):
            self._lines = [line for line, epoch in zip(lines, epochs, strict=True) if epoch == epoch]
            self._columns.clear()

    def column(self, name: str) -> Sequence[float]:
        """A figure of every epoch."""
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
    """A figure of every epoch, NaN where it is missing."""
    return epochs.column(name) if isinstance(epochs, History) else [epoch.get(name, NAN) for epoch in epochs]


def read_history(path: Path) -> History:
    """The whole rows of a history.csv; a last line without its end, or one without an epoch, is left out."""
    try:
        text = files.read_bytes(path).decode("utf-8", errors="replace")
    except OSError:
        text = ""
    # Numbers need no quotes; the csv module would take a stray one for a cell that goes on over the lines after it.
    header, *lines = text[: text.rfind("\n") + 1].splitlines() or [""]
    return History(header, lines)


def _number(cells: Sequence[str], at: int | None) -> float:
    try:
        return NAN if at is None else float(cells[at])
    except (ValueError, IndexError):
        return NAN
