"""The user's settings as a dataclass; `fer_tui.settings_file` reads and checks them."""

# ruff: noqa: RUF009 (`_setting` creates the dataclass fields)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar


def _setting(description: str, default: Any = None, **more: Any) -> Any:
    """Create a field of the settings with a description."""
    metadata = {"description": description, **more}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class UserSettings:
    """The user's settings, which apply at every start.

    pydantic checks a settings file against this class. It is imported only if there is a file, because the import
    takes a fifth of the start-up time.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    theme: str | None = _setting("Theme. By default the theme last chosen in the palette, or fer-dark.")
    mouse: bool = _setting("Whether the screens capture the mouse. --no-mouse overrides it.", True)
    runs: Path | None = _setting("Folder of runs, by default ./runs. --runs and $FER_TUI_RUNS override it.")
    data: Path | None = _setting("Data set that the screens open. --data overrides it.")
    keys: dict[str, str] = _setting("Keys by action id, separated by commas. They replace the default keys.", {})
    train: dict[str, Any] = _setting(
        "Initial values of the Train form: a run's settings by name. 'model' may be a list.", {}
    )
    presets: dict[str, dict[str, Any]] = _setting(
        "Presets of the Train form by name. Each is a table of a run's settings.",
        {},
        examples=[{"quick": {"epochs": 3, "limit": 2000}}],
    )


FIELDS: Mapping[str, Field[Any]] = {each.name: each for each in fields(UserSettings)}
