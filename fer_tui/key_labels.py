"""The labels of keys, as the footer and the tabs show them; they include the user's own keys."""

from __future__ import annotations

from textual.dom import DOMNode

from fer_tui.modes import SHOWN_MODES
from fer_tui.textual_private import all_bindings, keymap_override


def key_label(node: DOMNode, binding_id: str) -> str:
    """Return the current key of an action of a node or the app, as the footer shows it; empty if it has no key."""
    app = node.app
    for owner in (node, app):
        for binding in all_bindings(owner):
            if binding.id == binding_id:
                keys = keymap_override(app, binding_id)
                return app.get_key_display(binding.with_key(keys.split(",")[0]) if keys else binding)
    return ""


def tab_label(node: DOMNode, name: str) -> str:
    """Return the label of a mode's tab: its current key and its title."""
    title = next(mode.title for mode in SHOWN_MODES if mode.name == name)
    return f"{key_label(node, f'app.{name}')} {title}".strip()
