"""The dialog that lists the active key bindings."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.dom import DOMNode
from textual.screen import ModalScreen
from textual.widgets import Static

from fer_tui.key_labels import key_label

_MODES = ("data.", "train.", "runs.", "compare.", "inspect.")
_OURS = (*_MODES, "export.", "confirm.", "menu.", "predict.", "ask.", "leaving.", "evaluate.")
_OF_A_WIDGET = {"DataTable": "Table", "Input": "Text field", "Tabs": "Tabs", "ContentTabs": "Tabs"}


class HelpScreen(ModalScreen[None]):
    """List the bindings that were active when the dialog opened, the focused widget's first."""

    BINDING_GROUP_TITLE = "Help"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close", id="help.close", tooltip="Close this help"),
    ]

    def __init__(self, bindings: list[ActiveBinding]) -> None:
        """Store the screen's active bindings, the innermost node's first."""
        super().__init__()
        self.bindings = bindings

    def compose(self) -> ComposeResult:
        """Yield the table of keys in groups."""
        with VerticalScroll(classes="dialog help") as dialog:
            dialog.border_title = "Keys"
            dialog.border_subtitle = f"{key_label(self, 'help.close')} closes"
            yield Static(self._table())

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column()
        node: DOMNode | None = None
        for node_now, rows in by_action(self.bindings):
            if node is not None:
                table.add_row()
            node = node_now
            table.add_row("", Text(_title(node), style="bold underline"))
            for keys, description, tooltip in rows:
                table.add_row(Text(keys, style="bold"), Text(description), Text(tooltip, style="dim"))
        return table

    def on_click(self, event: object) -> None:
        """Close the dialog on a click outside it."""
        if getattr(event, "widget", None) is self:
            self.dismiss()


def by_action(bindings: list[ActiveBinding]) -> list[tuple[DOMNode, list[tuple[str, str, str]]]]:
    """Group the bindings by their widget and merge the keys of one action into one row."""
    groups: dict[DOMNode, dict[str, list[ActiveBinding]]] = {}
    # List this app's bindings before those that Textual defines for every screen and widget.
    for active in sorted(bindings, key=lambda active: not (active.binding.id or "").startswith(_OURS)):
        if active.binding.description and not active.binding.system:
            groups.setdefault(active.node, {}).setdefault(active.binding.action, []).append(active)
    return [(node, [_row(same) for same in actions.values()]) for node, actions in groups.items()]


def _row(same: list[ActiveBinding]) -> tuple[str, str, str]:
    """Return an action's keys, name and tooltip; prefer a binding with a tooltip to Textual's own."""
    keys = " ".join(dict.fromkeys(active.node.app.get_key_display(active.binding) for active in same))
    told = next((active for active in same if active.tooltip), same[0])
    return keys, told.binding.description, told.tooltip


def _title(node: DOMNode) -> str:
    if node.BINDING_GROUP_TITLE:
        return node.BINDING_GROUP_TITLE
    names = [_OF_A_WIDGET[kind.__name__] for kind in type(node).__mro__ if kind.__name__ in _OF_A_WIDGET]
    return names[0] if names else "Here"
