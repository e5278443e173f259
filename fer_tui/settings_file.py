"""The user's settings file: one TOML file, read at the start and checked, never written."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError, suggest_name
from fer_tui import keymap
from fer_tui.user_settings import FIELDS, UserSettings

if TYPE_CHECKING:
    from pydantic import ValidationError

_TABLES = ("keys", "train", "presets")


_REMEDY = "'fer-tui settings --example' shows what may stand there"


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def unknown_theme_message(name: str) -> str:
    """What is said of a theme that is none, with the nearest that is."""
    from fer_tui.themes import theme_names

    names = theme_names()
    return f"unknown theme '{name}'; " + suggest_name(name, names, f"choose from {', '.join(names)}")


def settings_path() -> Path:
    """$FER_TUI_CONFIG, else config.toml in the user's folder for settings; it need not be there."""
    from platformdirs import user_config_path

    named = os.environ.get("FER_TUI_CONFIG")
    return Path(named) if named else user_config_path("fer-tui") / "config.toml"


def load_settings(path: Path | None = None) -> UserSettings:
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
            return UserSettings()
        named = "$FER_TUI_CONFIG" if is_named else "settings"
        raise ConfigError(f"{named}: {path}: {error.strerror}; name a TOML file that can be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"not TOML: {error}; {_REMEDY}", source=str(path)) from None
    settings = _checked(content, path)
    keymap.check_keys(settings.keys, source=f"{path}: [keys]")
    _check_run_settings(settings.train, ("data",), f"{path}: [train]")
    for name, preset in settings.presets.items():
        _check_run_settings(preset, ("data", "model"), f"{path}: [presets.{name}]")
    return settings


def _checked(content: dict[str, Any], path: Path) -> UserSettings:
    """The settings of a file's content, whose types are right, whose theme there is and whose paths begin at a root."""
    from pydantic import TypeAdapter, ValidationError

    from fer_tui.themes import theme_names

    if isinstance(content.get("keys"), dict):
        # TOML reads `runs.stop = "x"` as a table in a table.
        content["keys"] = dict(_flat(content["keys"]))
    try:
        settings = TypeAdapter(UserSettings).validate_python(content)
    except ValidationError as error:
        raise _first_fault(error, path) from None
    if settings.theme is not None and settings.theme not in theme_names():
        raise ConfigError("theme", unknown_theme_message(settings.theme), source=str(path))
    for name in ("runs", "data"):
        place = getattr(settings, name)
        if place is not None:
            try:
                settings = replace(settings, **{name: place.expanduser()})
            except RuntimeError:
                message = "names the home of a user whom nobody knows"
                raise ConfigError(name, message, source=str(path)) from None
    return settings


def _check_run_settings(values: dict[str, Any], elsewhere: tuple[str, ...], source: str) -> None:
    for name in elsewhere:
        if name in values:
            raise ConfigError(f"'{name}' is chosen on the screens; take it out of this table", source=source)
    from core.config import training_config as configs

    configs.check_settings(values, source=source)


def _first_fault(error: ValidationError, path: Path) -> ConfigError:
    """The first fault that pydantic found, with the key and what to do."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "unexpected_keyword_argument":
        return ConfigError(f"unknown key '{key}'; {suggest_name(key, FIELDS, _REMEDY)}", source=str(path))
    message = first["msg"]
    message = f"{message[0].lower()}{message[1:]} (got {first['input']!r}); {_REMEDY}"
    return ConfigError(key, message, source=str(path))


def example() -> str:
    """A settings file with every key, its help and its default, all of it commented out."""
    return "\n".join(_example_lines()) + "\n"


def _example_lines() -> Iterator[str]:
    told = {name: each.metadata["description"] for name, each in FIELDS.items()}
    yield f"# Settings of fer-tui: {settings_path()}"
    yield "# A line '#name = value' is a setting with its default; take the '#' away and change it."
    defaults = {"theme": "fer-dark", "runs": "runs", "data": "faces"}
    for name, each in FIELDS.items():
        if name not in _TABLES:
            yield from ("", f"# {told[name]}", f"#{name} = {_toml(defaults.get(name, each.default))}")
    yield from ("", f"# {told['keys']}", "#[keys]")
    for action in keymap.actions().values():
        what = f"{action.description}: {action.tooltip}"
        yield f"#{action.id} = {_toml(keymap.format_keys(action.keys))}  # {what}"
    yield from ("", f"# {told['train']}", "#[train]")
    from core.config import training_config as configs

    for name, setting in configs.TrainingConfig.model_fields.items():
        if not setting.is_required():
            yield from (f"# {setting.description}", f"#{name} = {_toml(setting.default)}")
    yield from ("", f"# {told['presets']}")
    for presets in FIELDS["presets"].metadata["examples"]:
        for name, preset in presets.items():
            yield f"#[presets.{name}]"
            yield from (f"#{key} = {_toml(value)}" for key, value in preset.items())


def _toml(value: Any) -> str:
    """A plain value as TOML; None as the word that stands for it in a run's settings."""
    return json.dumps("none" if value is None else value, ensure_ascii=False)
