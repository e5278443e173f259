"""The modes of the app. Each has a key, a tab and a screen, which is imported at its first use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """A mode of the app: its name, its key, the title on its tab, and its purpose."""

    name: str
    key: str
    title: str
    purpose: str


SHOWN_MODES = (
    Mode("data", "1", "Data", "Browse a data set and its problems"),
    Mode("train", "2", "Train", "Choose models and settings, and start training"),
    Mode("runs", "3", "Runs", "Watch running and finished runs"),
    Mode("compare", "4", "Compare", "Compare runs with baselines and the article"),
    Mode("inspect", "5", "Inspect", "Inspect a run's predictions, face by face"),
)
