"""The dialog that asks for a folder."""

from __future__ import annotations

from textual.app import ComposeResult

from fer_tui.dialogs.ask import AskScreen
from fer_tui.widgets.path_input import PathInput
from fer_tui.widgets.typed_path import read_typed_path


class AskPathScreen(AskScreen[str]):
    """Ask for a folder; the result is its path, or None if the user cancels."""

    BINDING_GROUP_TITLE = "Path"

    def __init__(self, title: str, note: str, value: str, action: str) -> None:
        """Store the dialog's texts.

        Args:
            title: the dialog's title.
            note: the text above the field.
            value: the field's initial path.
            action: the button's label.
        """
        super().__init__(title, note, action)
        self._value = value

    def compose_field(self) -> ComposeResult:
        """Yield the path field."""
        yield PathInput(self._value, id="asked-path", folders_only=True)

    def submit(self, text: str) -> None:
        """Dismiss with the path, or with None if the field is empty."""
        self.dismiss(str(read_typed_path(text)) if text.strip() else None)
