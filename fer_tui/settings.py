"""The user's own settings: one TOML file, which is read at the start and never written."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core import config as configs
from core.errors import ConfigError
from fer_tui import keys as bindings

_TABLES = ("keys", "train", "presets")
_REMEDY = "'fer-tui settings --example' shows what may stand there"


class Settings(BaseModel):
    """What the user wants to be so at every start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    theme: str | None = Field(
        default=None, description="Theme; else the one last chosen in the palette, else fer-dark."
    )
    mouse: bool = Field(
        default=True, description="Whether the screens take the mouse; --no-mouse leaves it to the terminal."
    )
    runs: Path | None = Field(
        default=None, description="Folder of runs; --runs and $FER_TUI_RUNS win over it, else ./runs."
    )
    data: Path | None = Field(default=None, description="Data set that the screens open; --data wins over it.")
    keys: dict[str, str] = Field(
        default={},
        description="Keys of actions by their ids, several with commas: they stand in for the keys shown here.",
    )
    train: dict[str, Any] = Field(
        default={},
        description="What the Train form begins with: names of a run's settings; 'model' may be a list.",
    )
    presets: dict[str, dict[str, Any]] = Field(
        default={},
        description="Presets of the Train form by their names, each a table of a run's settings.",
        examples=[{"quick": {"epochs": 3, "limit": 2000}}],
    )

    @field_validator("theme")
    @classmethod
    def _known_theme(cls, theme: str | None) -> str | None:
        from fer_tui.themes import theme_names

        if theme is not None and theme not in theme_names():
            raise ValueError(unknown_theme(theme))
        return theme

    @field_validator("keys", mode="before")
    @classmethod
    def _dotted(cls, keys: Any) -> Any:
        # TOML reads `runs.stop = "x"` as a table in a table.
        return dict(_flat(keys)) if isinstance(keys, dict) else keys

    @field_validator("runs", "data")
    @classmethod
    def _at_home(cls, path: Path | None) -> Path | None:
        try:
            return path.expanduser() if path else None
        except RuntimeError:
            raise ValueError("names the home of a user whom nobody knows") from None


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def unknown_theme(name: str) -> str:
    """What is said of a theme that is none, with the nearest that is."""
    from fer_tui.themes import theme_names

    near = difflib.get_close_matches(name, theme_names(), n=1)
    return f"unknown theme '{name}'; " + (
        f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(theme_names())}"
    )


def settings_path() -> Path:
    """$FER_TUI_CONFIG, else config.toml in the user's folder for settings; it need not be there."""
    from platformdirs import user_config_path

    named = os.environ.get("FER_TUI_CONFIG")
    return Path(named) if named else user_config_path("fer-tui") / "config.toml"


def load_settings(path: Path | None = None) -> Settings:
    """Read and check the settings; the defaults where there is no file.

    Args:
        path: the file, else `settings_path()`.

    Raises:
        ConfigError: a file that was named is missing, can't be read or is not TOML, or a key or value is wrong.
    """
    is_named = path is not None or bool(os.environ.get("FER_TUI_CONFIG"))
    path = path or settings_path()
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not is_named:
            return Settings()
        named = "$FER_TUI_CONFIG" if is_named else "settings"
        raise ConfigError(f"{named}: {path}: {error.strerror}; name a TOML file that can be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}; {_REMEDY}") from None
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_one_line(error)}") from None
    bindings.check_keys(settings.keys, source=f"{path}: [keys]")
    _check_form(settings.train, ("data",), f"{path}: [train]")
    for name, preset in settings.presets.items():
        _check_form(preset, ("data", "model"), f"{path}: [presets.{name}]")
    return settings


def _check_form(values: dict[str, Any], elsewhere: tuple[str, ...], source: str) -> None:
    for name in elsewhere:
        if name in values:
            raise ConfigError(f"{source}: '{name}' is chosen on the screens; take it out of this table")
    configs.check_settings(values, source=source)


def _one_line(error: ValidationError) -> str:
    """The first fault that pydantic found, with the key and what to do."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, Settings.model_fields, n=1)
        return f"unknown key '{key}'; " + (f"did you mean '{near[0]}'?" if near else _REMEDY)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{key}: {message}"
    return f"{key}: {message[0].lower()}{message[1:]} (got {first['input']!r}); {_REMEDY}"


def example() -> str:
    """A settings file with every key, its help and its default, all of it commented out."""
    return "\n".join(_example_lines()) + "\n"


def _example_lines() -> Iterator[str]:
    fields = Settings.model_fields
    yield f"# Settings of fer-tui: {settings_path()}"
    yield "# A line '#name = value' is a setting with its default; take the '#' away and change it."
    defaults = {"theme": "fer-dark", "runs": "runs", "data": "faces"}
    for name, field in fields.items():
        if name not in _TABLES:
            yield from ("", f"# {field.description}", f"#{name} = {_toml(defaults.get(name, field.default))}")
    yield from ("", f"# {fields['keys'].description}", "#[keys]")
    for action in bindings.actions().values():
        told = f"{action.description}: {action.tooltip}"
        yield f"#{action.id} = {_toml(bindings.written(action.keys))}  # {told}"
    yield from ("", f"# {fields['train'].description}", "#[train]")
    for name, field in configs.TrainingConfig.model_fields.items():
        if not field.is_required():
            yield from (f"# {field.description}", f"#{name} = {_toml(field.default)}")
    yield from ("", f"# {fields['presets'].description}")
    for presets in fields["presets"].examples or ():
        for name, preset in presets.items():
            yield f"#[presets.{name}]"
            yield from (f"#{key} = {_toml(value)}" for key, value in preset.items())


def _toml(value: Any) -> str:
    """A plain value as TOML; None as the word that stands for it in a run's settings."""
    return json.dumps("none" if value is None else value, ensure_ascii=False)
