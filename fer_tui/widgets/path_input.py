"""A text field for paths with Tab completion."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.suggester import Suggester, SuggestionReady

from fer_tui.widgets.path_suggester import PathSuggester
from fer_tui.widgets.safe_input import SafeInput
from fer_tui.widgets.typed_path import read_typed_path


class PathInput(SafeInput):
    """A text field that completes paths from disk."""

    BINDING_GROUP_TITLE = "Path"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "tab", "complete", "Complete", id="path.complete", tooltip="Accept the suggested path, or move the focus"
        ),
    ]

    def __init__(self, value: str = "", *, id: str, placeholder: str = "", folders_only: bool = False) -> None:
        suggester = PathSuggester(folders_only=folders_only)
        super().__init__(
            value, id=id, placeholder=placeholder, suggester=suggester, compact=True, select_on_focus=False
        )

    @property
    def path(self) -> Path:
        """The path that stands in the field, see `read_typed_path`."""
        return read_typed_path(self.value)

    def on_focus(self) -> None:
        """Suggest a completion at once, because the focus clears an earlier suggestion."""
        if self.suggester is not None and self.value:
            self.run_worker(self._suggest(self.suggester, self.value))

    async def _suggest(self, suggester: Suggester, value: str) -> None:
        suggestion = await suggester.get_suggestion(value)
        if suggestion is not None:
            self.post_message(SuggestionReady(value, suggestion))

    def action_complete(self) -> None:
        """Accept the suggestion; without one, focus the next widget, as Tab usually does."""
        before = self.value
        if self.cursor_at_end:
            self.action_cursor_right()
        if self.value == before:
            self.screen.focus_next()
