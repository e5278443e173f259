"""The marked runs in the common plot, each with its place: a marker and a colour."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from core.runs.history import Epochs
from fer_tui.themes import SERIES

RUN_MARKERS = "●x○▲+■◇*"[:SERIES]


@dataclass(frozen=True, eq=False)
class OverlaidRun:
    """A marked run in the common plot.

    Attributes:
        name: the run's.
        model: its model's.
        place: which of the markers and colours it has, from 0.
        history: its epochs.
    """

    name: str
    model: str
    slot: int
    history: Epochs


def assign_slots(places: Mapping[str, int], marked: Collection[str]) -> dict[str, int]:
    """A place for each marked run: who has one keeps it, the others get what is free, by name, while any is."""
    held = {name: place for name, place in places.items() if name in marked}
    free = [place for place in range(SERIES) if place not in held.values()]
    return held | dict(zip(sorted(set(marked) - set(held)), free, strict=False))
