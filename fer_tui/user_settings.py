"""The user's own settings, as data; `fer_tui.settings_file` reads and checks them."""

# ruff: noqa: RUF009 (a field of a dataclass is made by a function of ours)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar


def _setting(description: str, default: Any = None, **more: Any) -> Any:
    """A field of the settings, with what it is for."""
    metadata = {"description": description, **more}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class UserSettings:
    """What the user wants to be so at every start.

    pydantic checks a file against it, and is not imported where there is none: it would take a fifth of the start.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    theme: str | None = _setting("Theme; else the one last chosen in the palette, else fer-dark.")
    mouse: bool = _setting("Whether the screens take the mouse; --no-mouse leaves it to the terminal.", True)
    runs: Path | None = _setting("Folder of runs; --runs and $FER_TUI_RUNS win over it, else ./runs.")
    data: Path | None = _setting("Data set that the screens open; --data wins over it.")
    keys: dict[str, str] = _setting(
        "Keys of actions by their ids, several with commas: they stand in for the keys shown here.", {}
    )
    train: dict[str, Any] = _setting(
        "What the Train form begins with: names of a run's settings; 'model' may be a list.", {}
    )
    presets: dict[str, dict[str, Any]] = _setting(
        "Presets of the Train form by their names, each a table of a run's settings.",
        {},
        examples=[{"quick": {"epochs": 3, "limit": 2000}}],
    )


FIELDS: Mapping[str, Field[Any]] = {each.name: each for each in fields(UserSettings)}
