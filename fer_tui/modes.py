"""The modes of the app: a key, a tab and a screen each, imported when it is first wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from textual.dom import DOMNode
from textual.screen import Screen

from fer_tui.keys import shown_key


def _data_screen() -> Screen[Any]:
    from fer_tui.screens.data import DataScreen

    return DataScreen()


def _train_screen() -> Screen[Any]:
    from fer_tui.screens.train import TrainScreen

    return TrainScreen()


def _runs_screen() -> Screen[Any]:
    from fer_tui.screens.runs import RunsScreen

    return RunsScreen()


def _compare_screen() -> Screen[Any]:
    from fer_tui.screens.compare import CompareScreen

    return CompareScreen()


def _inspect_screen() -> Screen[Any]:
    from fer_tui.screens.inspect import InspectScreen

    return InspectScreen()


def import_modes() -> None:
    """Import the modes while nobody waits for them, so that the first switch to one is as quick as the next."""
    from fer_tui.screens import compare, data, inspect, runs, train  # noqa: F401
    from fer_tui.widgets import run_tabs  # noqa: F401


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


def shown_tab(node: DOMNode, name: str) -> str:
    """A mode as its tab shows it: the key in force and the title."""
    title = next(mode.title for mode in SHOWN_MODES if mode.name == name)
    return f"{shown_key(node, f'app.{name}')} {title}".strip()


SCREENS: Mapping[str, Callable[[], Screen[Any]]] = {
    "data": _data_screen,
    "train": _train_screen,
    "runs": _runs_screen,
    "compare": _compare_screen,
    "inspect": _inspect_screen,
}
