"""A key as it is shown now: the one in force, whatever the user has put in place of ours."""

from __future__ import annotations

from textual.dom import DOMNode

from fer_tui.modes import SHOWN_MODES
from fer_tui.textual_private import all_bindings, keymap_override


def key_label(node: DOMNode, binding_id: str) -> str:
    """The key in force for an action of a node or of the app, as the footer shows it; empty where there is none."""
    app = node.app
    for owner in (node, app):
        for binding in all_bindings(owner):
            if binding.id == binding_id:
                keys = keymap_override(app, binding_id)
                return app.get_key_display(binding.with_key(keys.split(",")[0]) if keys else binding)
    return ""


def tab_label(node: DOMNode, name: str) -> str:
    """A mode as its tab shows it: the key in force and the title."""
    title = next(mode.title for mode in SHOWN_MODES if mode.name == name)
    return f"{key_label(node, f'app.{name}')} {title}".strip()
