"""The keys of all actions, and the check of the user's own keys."""

from __future__ import annotations

import importlib
import pkgutil
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

from textual.binding import Binding, InvalidBinding
from textual.dom import DOMNode
from textual.keys import REPLACED_KEYS, Keys, key_to_character
from textual.screen import ModalScreen, Screen

from core.errors import ConfigError, suggest_name

_SIGNS = set(string.ascii_lowercase + string.digits + string.punctuation) - {","}
_MODIFIERS = {"ctrl", "shift", "alt", "super", "hyper", "meta"}


@dataclass(frozen=True)
class Action:
    """An action with its binding: id, keys by Textual's names, description, tooltip, and the class that defines it."""

    id: str
    keys: tuple[str, ...]
    description: str
    tooltip: str
    action: str
    owner: type[DOMNode]


def _modules() -> list[ModuleType]:
    from fer_tui import app, dialogs, screens, widgets

    found = [app]
    for package in (screens, dialogs, widgets):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            found.append(importlib.import_module(module.name))
    return found


def _classes(module: ModuleType) -> list[type[DOMNode]]:
    """Return the DOM node classes that a module defines."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, DOMNode) and value.__module__ == module.__name__
    ]


def _own_bindings(kind: type[DOMNode]) -> Iterator[Binding]:
    if kind.__module__.startswith("fer_tui."):
        for binding in vars(kind).get("BINDINGS", ()):
            if isinstance(binding, Binding) and binding.id:
                yield binding


def actions() -> dict[str, Action]:
    """Return fer-tui's actions by the ids of their bindings, the app's first. Imports all screens and widgets."""
    return {
        str(binding.id): Action(
            str(binding.id), _parse_keys(binding.key), binding.description, binding.tooltip, binding.action, kind
        )
        for module in _modules()
        for kind in _classes(module)
        for binding in _own_bindings(kind)
    }


def _parse_keys(keys: str) -> tuple[str, ...]:
    """Split comma-separated keys and return Textual's names for them: `?` is `question_mark`.

    Raises:
        InvalidBinding: a key between two commas is missing.
    """
    return tuple(binding.key for binding in Binding.make_bindings([Binding(keys, "")]))


def format_keys(keys: Iterable[str]) -> str:
    """Format keys for a settings file: `?` for `question_mark`."""
    return ",".join(character if (character := _character(key)) and character in _SIGNS else key for key in keys)


def _character(key: str) -> str | None:
    return key_to_character(REPLACED_KEYS.get(key, key))


def _is_key(key: str) -> bool:
    *modifiers, last = key.split("+")
    is_known = _character(last) is not None or last in {str(name.value) for name in Keys}
    return is_known and set(modifiers) <= _MODIFIERS


def check_keys(keymap: Mapping[str, str], *, source: str) -> None:
    """Check that the ids and keys exist, and that no two actions of one screen share a key.

    Args:
        keymap: maps binding ids to comma-separated keys.
        source: the name of the settings file's table, for errors.

    Raises:
        ConfigError: an id or a key is unknown, or one key is bound to two actions.
    """
    if not keymap:
        return
    known = actions()
    for name, keys in keymap.items():
        if name not in known:
            hint = suggest_name(name, known, "'fer-tui settings --example' lists them", cutoff=0.4)
            raise ConfigError(f"unknown action '{name}'; {hint}", source=source)
        try:
            wrong = next((key for key in _parse_keys(keys) if not _is_key(key)), None)
        except InvalidBinding:
            wrong = keys
        if wrong is not None:
            raise ConfigError(name, f"unknown key '{wrong}'; write a key like x, f2, ctrl+s or 'x,f2'", source=source)
    for screen in _screens():
        _check_screen(screen, known, {name: _parse_keys(keys) for name, keys in keymap.items()}, source)


def _check_screen(
    screen: frozenset[type[DOMNode]], known: Mapping[str, Action], remapped: Mapping[str, tuple[str, ...]], source: str
) -> None:
    """Raise an error if a user's key belongs to another action of the screen, or moves the cursor or focus."""
    here = [action for action in known.values() if action.owner in screen]
    reserved = _cursor_keys()
    for action in here:
        for key in set(remapped.get(action.id, ())) - set(action.keys):
            if key in reserved:
                raise ConfigError(
                    action.id, f"'{key}' moves the cursor or the focus; choose another key", source=source
                )
            for other in here:
                if other.action != action.action and key in remapped.get(other.id, other.keys):
                    raise ConfigError(
                        f"'{key}' is bound to both {action.id} and {other.id} on one screen; change one of them",
                        source=source,
                    )


def _cursor_keys() -> set[str]:
    """Return the keys that Textual's tables and screens use; their bindings have no ids."""
    from textual.widgets import DataTable

    return {binding.key for kind in (DataTable, Screen) for binding in Binding.make_bindings(kind.BINDINGS)}


def _screens() -> Iterable[frozenset[type[DOMNode]]]:
    """Yield the classes whose keys are active together: a screen, its widgets and, except for dialogs, the app."""
    from fer_tui.app import FerApp

    for module in _modules():
        for kind in _classes(module):
            if issubclass(kind, Screen):
                app = () if issubclass(kind, ModalScreen) else (FerApp,)
                yield frozenset((*kind.__mro__, *_used(module, set()), *app))


def _used(module: ModuleType, seen: set[str]) -> Iterator[type[DOMNode]]:
    """Yield the widgets that a module imports, directly or through other widgets."""
    seen.add(module.__name__)
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__module__.startswith("fer_tui.widgets."):
            yield value
            if value.__module__ not in seen:
                yield from _used(importlib.import_module(value.__module__), seen)
