"""The user's settings file: a TOML file that fer-tui reads and checks at start-up and never writes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError, suggest_name
from core.system.folders import user_folder
from core.system.toml_file import read_toml_file
from fer_tui import keymap
from fer_tui.user_settings import FIELDS, UserSettings

if TYPE_CHECKING:
    from pydantic import ValidationError

_TABLES = ("keys", "train", "presets")
NO_HOME = "no home folder; set HOME, or FER_TUI_CONFIG to the path of a settings file"
_REMEDY = "'fer-tui settings --example' shows the allowed keys and values"


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def unknown_theme_message(name: str) -> str:
    """Return the error message for an unknown theme, with the most similar theme's name."""
    from fer_tui.themes import theme_names

    names = theme_names()
    return f"unknown theme '{name}'; " + suggest_name(name, names, f"choose from {', '.join(names)}")


def settings_path() -> Path | None:
    """Return $FER_TUI_CONFIG, or the path of config.toml in the user's config folder. The file need not exist.

    Without a home folder the path is None.
    """
    named = os.environ.get("FER_TUI_CONFIG")
    if named:
        return Path(named)
    folder = user_folder("config")
    return None if folder is None else folder / "config.toml"


def load_settings(path: Path | None = None) -> UserSettings:
    """Read and check the settings; return the defaults if there is no file.

    Args:
        path: the settings file; default `settings_path()`.

    Raises:
        ConfigError: the given file is missing, unreadable or not TOML, or a key or value is wrong.
    """
    is_named = path is not None or bool(os.environ.get("FER_TUI_CONFIG"))
    path = path or settings_path()
    if path is None:
        return UserSettings()
    try:
        content = read_toml_file(path)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not is_named:
            return UserSettings()
        named = "$FER_TUI_CONFIG" if is_named else "settings"
        raise ConfigError(f"{named}: {path}: {error.strerror}; name a TOML file that can be read") from None
    except ValueError as error:
        raise ConfigError(f"{error}; {_REMEDY}", source=str(path)) from None
    settings = _checked(content, path)
    keymap.check_keys(settings.keys, source=f"{path}: [keys]")
    _check_run_settings(settings.train, ("data",), f"{path}: [train]")
    for name, preset in settings.presets.items():
        _check_run_settings(preset, ("data", "model"), f"{path}: [presets.{name}]")
    return settings


def _checked(content: dict[str, Any], path: Path) -> UserSettings:
    """Convert a file's content to settings: check types and theme, and expand `~` in paths."""
    from pydantic import TypeAdapter, ValidationError

    from fer_tui.themes import theme_names

    if isinstance(content.get("keys"), dict):
        # TOML parses `runs.stop = "x"` as a nested table.
        content["keys"] = dict(_flat(content["keys"]))
    try:
        settings = TypeAdapter(UserSettings).validate_python(content)
    except ValidationError as error:
        raise _first_error(error, path) from None
    if settings.theme is not None and settings.theme not in theme_names():
        raise ConfigError("theme", unknown_theme_message(settings.theme), source=str(path))
    for name in ("runs", "data"):
        place = getattr(settings, name)
        if place is not None:
            try:
                settings = replace(settings, **{name: place.expanduser()})
            except RuntimeError:
                message = "names the home folder of an unknown user"
                raise ConfigError(name, message, source=str(path)) from None
    return settings


def _check_run_settings(values: dict[str, Any], elsewhere: tuple[str, ...], source: str) -> None:
    for name in elsewhere:
        if name in values:
            raise ConfigError(f"'{name}' is chosen on the screens; remove it from this table", source=source)
    from core.config import training_config as configs

    configs.check_settings(values, source=source)


def _first_error(error: ValidationError, path: Path) -> ConfigError:
    """Convert pydantic's first error to a ConfigError that names the key and the remedy."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "unexpected_keyword_argument":
        return ConfigError(f"unknown key '{key}'; {suggest_name(key, FIELDS, _REMEDY)}", source=str(path))
    message = first["msg"]
    message = f"{message[0].lower()}{message[1:]} (got {first['input']!r}); {_REMEDY}"
    return ConfigError(key, message, source=str(path))


def example() -> str:
    """Return a settings file with all keys, their descriptions and defaults, commented out."""
    return "\n".join(_example_lines()) + "\n"


def _example_lines() -> Iterator[str]:
    descriptions = {name: each.metadata["description"] for name, each in FIELDS.items()}
    yield f"# Settings of fer-tui: {settings_path() or NO_HOME}"
    yield "# A line '#name = value' is a setting with its default. To change it, remove the '#' and edit the value."
    defaults = {"theme": "fer-dark", "runs": "runs", "data": "faces"}
    for name, each in FIELDS.items():
        if name not in _TABLES:
            yield from ("", f"# {descriptions[name]}", f"#{name} = {_toml(defaults.get(name, each.default))}")
    yield from ("", f"# {descriptions['keys']}", "#[keys]")
    for action in keymap.actions().values():
        what = f"{action.description}: {action.tooltip}"
        yield f"#{action.id} = {_toml(keymap.format_keys(action.keys))}  # {what}"
    yield from ("", f"# {descriptions['train']}", "#[train]")
    from core.config import training_config as configs

    for name, setting in configs.TrainingConfig.model_fields.items():
        if not setting.is_required():
            yield from (f"# {setting.description}", f"#{name} = {_toml(setting.default)}")
    yield from ("", f"# {descriptions['presets']}")
    for presets in FIELDS["presets"].metadata["examples"]:
        for name, preset in presets.items():
            yield f"#[presets.{name}]"
            yield from (f"#{key} = {_toml(value)}" for key, value in preset.items())


def _toml(value: Any) -> str:
    """Format a plain value as TOML; None becomes "none", as in a run's settings."""
    return json.dumps("none" if value is None else value, ensure_ascii=False)
