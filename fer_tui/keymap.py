"""The keys of every action of ours, and the user's own in their place."""

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
    """What a binding of ours does: its id, its keys as Textual names them, its words, and the class that has it."""

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
    """The nodes that a module defines."""
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
    """Every action of ours by its binding's id, the app's first; imports every screen and widget."""
    return {
        str(binding.id): Action(
            str(binding.id), _parse_keys(binding.key), binding.description, binding.tooltip, binding.action, kind
        )
        for module in _modules()
        for kind in _classes(module)
        for binding in _own_bindings(kind)
    }


def _parse_keys(keys: str) -> tuple[str, ...]:
    """Comma separated keys, each as Textual names it: `?` is `question_mark`.

    Raises:
        InvalidBinding: there is nothing between two commas.
    """
    return tuple(binding.key for binding in Binding.make_bindings([Binding(keys, "")]))


def format_keys(keys: Iterable[str]) -> str:
    """Keys as a person would write them in a settings file: `?` for `question_mark`."""
    return ",".join(character if (character := _character(key)) and character in _SIGNS else key for key in keys)


def _character(key: str) -> str | None:
    return key_to_character(REPLACED_KEYS.get(key, key))


def _is_key(key: str) -> bool:
    *modifiers, last = key.split("+")
    is_known = _character(last) is not None or last in {str(name.value) for name in Keys}
    return is_known and set(modifiers) <= _MODIFIERS


def check_keys(keymap: Mapping[str, str], *, source: str) -> None:
    """Check the user's keys: that every id and key is one, and that no two actions of one screen share a key.

    Args:
        keymap: binding ids to comma separated keys.
        source: what an error names.

    Raises:
        ConfigError: an id or a key is unknown, or a key would do two things.
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
            raise ConfigError(name, f"'{wrong}' is no key; write it like x, f2, ctrl+s or 'x,f2'", source=source)
    for screen in _screens():
        _check_screen(screen, known, {name: _parse_keys(keys) for name, keys in keymap.items()}, source)


def _check_screen(
    screen: frozenset[type[DOMNode]], known: Mapping[str, Action], remapped: Mapping[str, tuple[str, ...]], source: str
) -> None:
    """Refuse a key of the user's that another action of the screen has, or a table needs for its cursor."""
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
                        f"'{key}' would be both {action.id} and {other.id} on one screen; change one of them",
                        source=source,
                    )


def _cursor_keys() -> set[str]:
    """The keys that tables and screens need for themselves; Textual gives their bindings no id."""
    from textual.widgets import DataTable

    return {binding.key for kind in (DataTable, Screen) for binding in Binding.make_bindings(kind.BINDINGS)}


def _screens() -> Iterable[frozenset[type[DOMNode]]]:
    """The classes of ours whose keys work together: a screen, its widgets and, but for dialogs, the app."""
    from fer_tui.app import FerApp

    for module in _modules():
        for kind in _classes(module):
            if issubclass(kind, Screen):
                app = () if issubclass(kind, ModalScreen) else (FerApp,)
                yield frozenset((*kind.__mro__, *_used(module, set()), *app))


def _used(module: ModuleType, seen: set[str]) -> Iterator[type[DOMNode]]:
    """The widgets that a module's classes are made of, as far as its imports tell."""
    seen.add(module.__name__)
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__module__.startswith("fer_tui.widgets."):
            yield value
            if value.__module__ not in seen:
                yield from _used(importlib.import_module(value.__module__), seen)
