"""The modes of the app: a key, a tab and a screen each, imported when it is first wanted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """A mode of the app: its key, its title on the tab, and what it is for."""

    name: str
    key: str
    title: str
    purpose: str


SHOWN_MODES = (
    Mode("data", "1", "Data", "Look at a folder of faces and what is wrong with it"),
    Mode("train", "2", "Train", "Choose models and settings, and start their training"),
    Mode("runs", "3", "Runs", "Watch every run, finished or under way"),
    Mode("compare", "4", "Compare", "Runs, baselines and the article's figures in one table"),
    Mode("inspect", "5", "Inspect", "Where a run is right and wrong, face by face"),
)
