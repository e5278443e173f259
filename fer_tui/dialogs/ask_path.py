"""Asks for a path."""

from __future__ import annotations

from textual.app import ComposeResult

from fer_tui.dialogs.ask import AskScreen
from fer_tui.widgets.path_input import PathInput
from fer_tui.widgets.typed_path import read_typed_path


class AskPathScreen(AskScreen[str]):
    """A path, or None where nothing shall be done."""

    BINDING_GROUP_TITLE = "Path"

    def __init__(self, title: str, note: str, value: str, action: str) -> None:
        """Ask for a path.

        Args:
            title: what it is for.
            note: what will happen.
            value: the path to begin with.
            action: what the button says.
        """
        super().__init__(title, note, action)
        self._value = value

    def compose_field(self) -> ComposeResult:
        """A path, completed as it is typed."""
        yield PathInput(self._value, id="asked-path", folders_only=True)

    def submit(self, text: str) -> None:
        """Take the path; none is no answer."""
        self.dismiss(str(read_typed_path(text)) if text.strip() else None)
