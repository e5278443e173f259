"""The marked runs in the common plot; each has a slot with a marker and a colour."""

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
        name: the run's name.
        model: the model's name.
        slot: the index of the run's marker and colour, from 0.
        history: the run's epochs.
    """

    name: str
    model: str
    slot: int
    history: Epochs


def assign_slots(places: Mapping[str, int], marked: Collection[str]) -> dict[str, int]:
    """Return each marked run's slot: runs keep theirs, new runs get the free slots in the order of their names.

    Runs that find no free slot are missing from the result.
    """
    held = {name: place for name, place in places.items() if name in marked}
    free = [place for place in range(SERIES) if place not in held.values()]
    return held | dict(zip(sorted(set(marked) - set(held)), free, strict=False))
